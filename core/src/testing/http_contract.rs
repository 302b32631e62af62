//! The HTTP contract as data: requests, and the response to each, which is its status, its body, and
//! its headers in any order. `date`, `connection` and `x-request-id` are the host's and are left out.
//!
//! It is written once and run against the bare core and against every host over its transport.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};

use crate::{Account, AccountId, AccountService, AccountStore, HostState, StoreError};

mod cases;

/// One situation, and the requests and responses in it.
struct Case {
    /// A sentence about the behaviour.
    name: &'static str,
    given: Given,
    steps: &'static [Step],
}

/// The service of a case. Its store works at first, and its host has nothing to say.
#[derive(Clone, Copy)]
struct Given {
    is_shared: bool,
    has_testability: bool,
}

const EMBEDDED: Given = Given { is_shared: false, has_testability: false };
const TESTABILITY: Given = Given { is_shared: false, has_testability: true };
const SHARED: Given = Given { is_shared: true, has_testability: true };

enum Step {
    /// The store works from now on, or fails.
    Store(bool),
    /// The host says this with each request from now on.
    Host(HostState),
    /// Each of these requests gets this response.
    Ask(&'static [&'static str], &'static str),
}

/// The header field that tells a host in another process the [`ContractService::situation`].
pub const SITUATION: &str = "x-contract-situation";

/// The service under test, with a store and a host state that the contract switches.
pub struct ContractService {
    /// The number of the case, and what is given in it.
    case: (usize, Given),
    service: AccountService<Arc<ContractStore>>,
    store: Arc<ContractStore>,
    host: Mutex<HostState>,
}

impl ContractService {
    fn new(case: usize, given: Given) -> Self {
        let store = Arc::new(ContractStore::default());
        let service = if given.is_shared {
            AccountService::shared(Arc::clone(&store), "10.0.0.3")
        } else {
            AccountService::new(Arc::clone(&store), "10.0.0.3")
        };
        let service = service.with_testability(given.has_testability);
        Self { case: (case, given), service, store, host: Mutex::default() }
    }

    /// The case, and what the contract has switched so far, as a header value. A host in another
    /// process needs it with each request: see [`RemoteContractService`].
    pub fn situation(&self) -> String {
        let (case, Given { is_shared, has_testability }) = self.case;
        let works = self.store.works.load(Ordering::Acquire);
        let HostState { draining, overloaded, stalled } =
            *self.host.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{case} {is_shared} {has_testability} {works} {draining} {overloaded} {stalled}")
    }

    fn switch(&self, works: bool, host: HostState) {
        self.store.works.store(works, Ordering::Release);
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = host;
    }

    /// Responds as the service in production does. A host calls this as its handler.
    pub async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.service.respond(self.with_host_state(request)).await
    }

    /// Responds at once.
    pub fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.service.handle(self.with_host_state(request))
    }

    fn with_host_state(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        let host = *self.host.lock().unwrap_or_else(PoisonError::into_inner);
        request.extensions_mut().insert(host);
        request
    }
}

/// The service under test in another process than the contract. Each request has the
/// [`ContractService::situation`] in the header field [`SITUATION`].
#[derive(Default)]
pub struct RemoteContractService {
    service: Mutex<Option<Arc<ContractService>>>,
}

impl RemoteContractService {
    /// Responds as the contract's service does in this situation.
    ///
    /// # Panics
    ///
    /// If the request has no situation.
    pub async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        let situation = request.headers().get(SITUATION).and_then(|value| value.to_str().ok());
        let mut values = situation.expect("a situation").split(' ');
        let case = values.next().and_then(|case| case.parse().ok()).expect("a case");
        let mut is = || values.next() == Some("true");
        let given = Given { is_shared: is(), has_testability: is() };
        let works = is();
        let host = HostState { draining: is(), overloaded: is(), stalled: is() };
        let service = {
            let mut last = self.service.lock().unwrap_or_else(PoisonError::into_inner);
            let same_case = last.take().filter(|service| service.case.0 == case);
            let service = same_case.unwrap_or_else(|| ContractService::new(case, given).into());
            Arc::clone(last.insert(service))
        };
        service.switch(works, host);
        service.respond(request).await
    }
}

/// The contract, less the cases that a transport cannot carry.
#[derive(Default)]
pub struct HttpContract {
    exceptions: Vec<(&'static str, &'static str)>,
}

impl HttpContract {
    /// Every case.
    pub fn new() -> Self {
        Self::default()
    }

    /// Excepts one request line, such as `GET /accounts/a%2Fb`, in every case, for a reason that
    /// lies in the transport. [`check`](Self::check) fails if the exception is not needed.
    #[must_use]
    pub fn except(mut self, request_line: &'static str, reason: &'static str) -> Self {
        self.exceptions.push((request_line, reason));
        self
    }

    /// Runs every case. `start` receives the service to host and returns a function that sends one
    /// request to that host; the host may stop when the function is dropped.
    ///
    /// # Panics
    ///
    /// If a response differs from the contract, or if an exception is not needed. The message lists
    /// all of them.
    pub fn check<A>(self, mut start: impl FnMut(Arc<ContractService>) -> A)
    where
        A: FnMut(Method, &str) -> Response<Bytes>,
    {
        let mut failures = String::new();
        let mut needed = vec![false; self.exceptions.len()];
        for (number, case) in cases::CASES.iter().copied().flatten().enumerate() {
            let service = Arc::new(ContractService::new(number, case.given));
            let mut ask = start(Arc::clone(&service));
            for step in case.steps {
                let (lines, expected) = match step {
                    Step::Store(works) => {
                        service.store.works.store(*works, Ordering::Release);
                        continue;
                    }
                    Step::Host(state) => {
                        *service.host.lock().unwrap_or_else(PoisonError::into_inner) = *state;
                        continue;
                    }
                    Step::Ask(lines, expected) => (lines, unindent(expected)),
                };
                for line in *lines {
                    let (method, target) = parse_line(line);
                    let response = render(&ask(method, target));
                    let exception =
                        self.exceptions.iter().position(|(excepted, _)| excepted == line);
                    match exception {
                        Some(index) => needed[index] |= response != expected,
                        None if response != expected => {
                            let _ = writeln!(
                                failures,
                                "\n--- {}: {line}\nexpected:\n{expected}\nresponse:\n{response}",
                                case.name,
                            );
                        }
                        None => {}
                    }
                }
            }
        }
        for ((line, reason), _) in self.exceptions.iter().zip(needed).filter(|(_, needed)| !needed)
        {
            let _ = writeln!(failures, "\n--- {line} holds and needs no exception ({reason})");
        }
        assert!(failures.is_empty(), "the contract is broken:\n{failures}");
    }
}

/// A response as text: status, headers in alphabetical order, an empty line, the body.
///
/// Leaves out the headers of a host: `connection`, `date` and `x-request-id`.
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

/// A request without a body from its first line, such as `GET /health`.
///
/// # Panics
///
/// If it has no method, or if `http` does not accept the target as a URI.
pub fn request(line: &str) -> Request<Bytes> {
    let (method, target) = parse_line(line);
    Request::builder()
        .method(method)
        .uri(target)
        .body(Bytes::new())
        .unwrap_or_else(|error| panic!("{target:?} is not a request target: {error}"))
}

fn parse_line(line: &str) -> (Method, &str) {
    let (method, target) = line.split_once(' ').expect("METHOD TARGET");
    (Method::from_bytes(method.as_bytes()).expect("a method"), target)
}

/// The store of the contract: some accounts, readable or not.
struct ContractStore {
    accounts: Vec<Account>,
    works: AtomicBool,
}

impl Default for ContractStore {
    fn default() -> Self {
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
        Self { accounts: accounts.into(), works: AtomicBool::new(true) }
    }
}

impl AccountStore for Arc<ContractStore> {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.check()?;
        Ok(self.accounts.iter().find(|account| account.id == *id).cloned())
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.works.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(StoreError::new("read", "the disk is on fire"))
        }
    }
}

/// The literals are indented where they are written.
fn unindent(text: &str) -> String {
    let lines: Vec<_> = text.trim().lines().map(str::trim_start).collect();
    lines.join("\n") + "\n"
}
