//! The service of the HTTP contract as a component, for `tests/component.rs`.

#[cfg(target_os = "wasi")]
#[path = "../src/respond.rs"]
mod respond;

#[cfg(target_os = "wasi")]
mod component {
    use std::sync::LazyLock;

    use accountservice_core::testing::RemoteContractService;
    use bytes::Bytes;
    use http::Request;
    use wasip2::exports::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};

    struct Component;

    impl Guest for Component {
        fn handle(request: IncomingRequest, response: ResponseOutparam) {
            // Its state has to survive from request to request of a case.
            static SERVICE: LazyLock<RemoteContractService> = LazyLock::new(Default::default);
            let handler = |request: Request<Bytes>| SERVICE.respond(request);
            crate::respond::respond(&handler, &request, response);
        }
    }

    wasip2::http::proxy::export!(Component with_types_in wasip2);
}

fn main() {}
