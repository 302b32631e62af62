//! The HTTP contract as data: what is asked, and the whole answer, to the byte.
//!
//! It is written once and run against the bare core and against every host over its transport. A
//! host that answers differently from the core fails.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};

use crate::{Account, AccountId, AccountService, AccountStore, StoreError};

mod cases;

/// One situation, and what is asked and answered in it, in this order.
struct Case {
    /// A sentence about the behaviour.
    name: &'static str,
    given: Given,
    exchanges: &'static [(&'static [&'static str], &'static str)],
}

#[derive(Clone, Copy)]
enum Given {
    /// A store that works, testability off.
    Default,
    /// A store that works, testability on.
    Testability,
    /// A store that fails at whatever it is asked, testability on.
    BrokenStore,
    /// As `BrokenStore`, and the process drains.
    Draining,
}

/// Runs every case. `start` gets a service and returns the way to ask it; the host may be stopped
/// when that is dropped.
///
/// # Panics
///
/// If any answer differs from the contract; the message lists all that do.
pub fn check<A>(mut start: impl FnMut(Arc<AccountService<ContractStore>>) -> A)
where
    A: FnMut(Method, &str) -> Response<Bytes>,
{
    let mut failures = String::new();
    for case in cases::CASES {
        let mut ask = start(Arc::new(service(case.given)));
        for (requests, expected) in case.exchanges {
            let expected = unindent(expected);
            for request in *requests {
                let (method, target) = request.split_once(' ').expect("METHOD target");
                let method = Method::from_bytes(method.as_bytes()).expect("a method");
                let answer = render(&ask(method, target));
                if answer != expected {
                    let _ = writeln!(
                        failures,
                        "\n--- {}: {request}\nexpected:\n{expected}\nanswered:\n{answer}",
                        case.name,
                    );
                }
            }
        }
    }
    assert!(failures.is_empty(), "the contract is broken:\n{failures}");
}

/// An answer as text: status, headers in alphabetical order, an empty line, the body.
///
/// Leaves out what is the host's and not the answer's: `date`, `connection` and `x-request-id`.
pub fn render(response: &Response<Bytes>) -> String {
    let status = response.status();
    let mut text = format!("{} {}\n", status.as_str(), status.canonical_reason().unwrap_or("?"));
    let mut headers: Vec<_> = response
        .headers()
        .iter()
        .filter(|(name, _)| !["date", "connection", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    text.extend(headers);
    if !response.body().is_empty() {
        let _ = write!(text, "\n{}\n", String::from_utf8_lossy(response.body()));
    }
    text
}

/// A request as a test writes it: `GET /health`.
///
/// # Panics
///
/// If `http` does not take the target for a URI.
pub fn request(method: Method, target: &str) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(target)
        .body(Bytes::new())
        .unwrap_or_else(|error| panic!("{target:?} is not a request target: {error}"))
}

/// The store of the contract: some accounts in a list, or nothing but failure.
pub struct ContractStore {
    accounts: Option<Vec<Account>>,
}

impl ContractStore {
    fn accounts(&self) -> Result<&[Account], StoreError> {
        self.accounts.as_deref().ok_or_else(|| StoreError::new("read", "the disk is on fire"))
    }
}

impl AccountStore for ContractStore {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts()?.iter().find(|account| account.id == *id).cloned())
    }

    fn check(&self) -> Result<(), StoreError> {
        self.accounts().map(|_| ())
    }
}

fn service(given: Given) -> AccountService<ContractStore> {
    let accounts = [
        ("10000", "Person_0"),
        ("a/b", "A slash"),
        ("ü", "Umlaut ü"),
        ("odd", "\" \\ / \u{8}\u{c}\n\r\t\0\u{1f}\u{7f} </script> \u{2028}"),
        ("1234567890123456789012345678901234567890123456789012345678901234", "64 bytes"),
    ];
    let accounts = accounts.map(|(id, name)| Account {
        id: AccountId::new(id).expect("1 to 64 bytes"),
        name: name.into(),
    });
    let works = matches!(given, Given::Default | Given::Testability);
    let store = ContractStore { accounts: works.then(|| accounts.into()) };
    let service =
        AccountService::new(store, "10.0.0.3").with_testability(!matches!(given, Given::Default));
    if matches!(given, Given::Draining) {
        service.health().drain();
    }
    service
}

/// The literals stand indented where they are written.
fn unindent(text: &str) -> String {
    let lines: Vec<_> = text.trim().lines().map(str::trim_start).collect();
    lines.join("\n") + "\n"
}
