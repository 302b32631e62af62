//! A case of the table: what is sent, what is expected, and which section of which RFC says so.
//!
//! "Known limit" marks a case that an RFC would have otherwise, with the reason.

/// The expected outcome of a case.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// One 4xx, 501 or 505, or no response, and the connection is closed.
    Rejected,
    /// The same, for a request without an end, so that further bytes would be a part of it.
    Incomplete,
    /// Responses with these status codes; then the connection is closed, whatever follows.
    Last(Vec<u16>),
    /// Responses with these status codes; then the next request is answered.
    Responses(Vec<u16>),
}

pub(crate) use Expected::{Incomplete, Last, Rejected};

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
    /// The numbers of the RFC and of the section, and remarks.
    pub(crate) rfc: &'static str,
    /// A part of the header fields and bodies of the responses.
    pub(crate) part: Option<&'static str>,
    /// The number of the request that is a HEAD.
    pub(crate) head: Option<usize>,
}

impl Case {
    pub(crate) fn with_part(self, part: &'static str) -> Self {
        Self { part: Some(part), ..self }
    }

    pub(crate) fn with_head(self, number: usize) -> Self {
        Self { head: Some(number), ..self }
    }
}

pub(crate) fn case(
    name: &'static str,
    rfc: &'static str,
    expected: Expected,
    bytes: impl AsRef<[u8]>,
) -> Case {
    Case { name, bytes: bytes.as_ref().to_vec(), expected, rfc, part: None, head: None }
}

pub(crate) fn responses(codes: &[u16]) -> Expected {
    Expected::Responses(codes.to_vec())
}

pub(crate) fn last(code: u16) -> Expected {
    Expected::Last(vec![code])
}

/// A GET for an account, with these fields.
pub(crate) fn get(fields: &str) -> String {
    format!("GET /accounts/1 HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}

/// A POST to an account, which is a 405, with these fields and this body.
pub(crate) fn post(fields: &str, body: &str) -> String {
    format!("POST /accounts/1 HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}")
}

/// The field that a body needs.
pub(crate) fn with_length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

/// A GET for this target.
pub(crate) fn target(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}

pub(crate) const SMUGGLED: &str = "GET /accounts/smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
pub(crate) const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
