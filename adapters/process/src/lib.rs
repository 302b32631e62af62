//! What the process of any service needs: settings, signals, panics in the log, and an exit status.
//!
//! Which settings there are, how the log is written and what is served are the binary's own. The
//! binaries `accountservice` and `bootstrap` use this; it knows neither hosts nor stores.
//!
//! ```
//! use accountservice_process::{Program, kind, read};
//!
//! let program = Program { name: "orders", version: "1.0.0", about: "Serves orders.", notes: "" };
//! let arguments = ["--port=80".into()];
//! let port = read(&program, arguments, |name| std::env::var_os(name), |values| {
//!     values.take("port", kind::number("PORT", 0, Some(u16::MAX)), "8080", "port to listen on")
//! });
//! assert!(port.is_ok_and(|port| port == 80));
//! ```

mod exit;
pub mod kind;
mod shutdown;
mod values;

pub use exit::Exit;
pub use shutdown::Shutdown;
pub use values::{Program, Values, read};

/// Logs panics on one line, instead of printing them on standard error.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        tracing::error!("{}", text.split_whitespace().collect::<Vec<_>>().join(" "));
    }));
}
