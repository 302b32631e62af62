//! The pure core: an `http::Request` in, an `http::Response` out.
