//! The account service as a `wasi:http` component: settings, store, handler.
//!
//! The runtime that runs the component owns connections, timeouts and the log. Accounts are in
//! memory. `cargo build -p accountservice-host-wasi --target wasm32-wasip2` builds it.

#[cfg(target_os = "wasi")]
mod accounts;
#[cfg(target_os = "wasi")]
mod respond;

#[cfg(target_os = "wasi")]
mod component {
    use std::sync::LazyLock;

    use accountservice_core::AccountService;
    use wasip2::exports::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};

    use crate::accounts::{self, Seeded};
    use crate::respond;

    struct Component;

    impl Guest for Component {
        fn handle(request: IncomingRequest, response: ResponseOutparam) {
            // An instance may respond to several requests.
            static SERVICE: LazyLock<AccountService<Seeded>> = LazyLock::new(accounts::service);
            respond::respond(&*SERVICE, &request, response);
        }
    }

    wasip2::http::proxy::export!(Component with_types_in wasip2);
}

/// A component exports a function for requests. Its `main` is never called.
fn main() {
    eprintln!("This is a component: build it with --target wasm32-wasip2.");
    std::process::exit(1);
}
