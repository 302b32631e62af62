//! The routes: one request in, one answer out.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::account::decode_segment;
use crate::health::Verdict;
use crate::response::{empty, json, json_in, overloaded, problem, push_json, with_cause};
use crate::{Account, AccountId, AccountIdError, AccountStore, Health, HostState, StoreError};

/// The account service: a pure function over an injected store, and the health state of the
/// process that runs it.
pub struct AccountService<S> {
    store: S,
    health: Health,
    /// What all accounts have in common: who has served them.
    end_of_body: Vec<u8>,
    testability: bool,
}

/// The paths there are. Everything else is a 404.
enum Route<'a> {
    Account(&'a str),
    Health,
    ForceHealth(&'a str),
}

impl<S: AccountStore> AccountService<S> {
    /// Serves the accounts of `store`. `served_by` names this replica in every account answered.
    pub fn new(store: S, served_by: impl Into<String>) -> Self {
        let mut end_of_body = br#","servedBy":"#.to_vec();
        push_json(&mut end_of_body, &Into::<String>::into(served_by));
        end_of_body.push(b'}');
        Self { store, health: Health::default(), end_of_body, testability: false }
    }

    /// Switches the route `/testability/healthy/{state}` on or off. It is off at first, because it
    /// lets anybody have the process replaced.
    #[must_use]
    pub fn with_testability(self, on: bool) -> Self {
        Self { testability: on, ..self }
    }

    /// The health state, for the host to announce that the process drains.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Answers one request. Never panics unless the store does; blocks only as long as the store.
    ///
    /// A 503 carries its [`Cause`](crate::response::Cause) as an extension, for the log. A request
    /// may carry a [`HostState`] as an extension.
    pub fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (Parts { method, uri, headers, extensions, .. }, _) = request.into_parts();
        let host = extensions.get().copied().unwrap_or_default();
        let mut response = match self.route(uri.path()) {
            Some(route) => self.dispatch(&route, &method, host, headers),
            None => self.redirect(&uri).unwrap_or_else(|| {
                problem(StatusCode::NOT_FOUND, "There is nothing at this path.")
            }),
        };
        if method == Method::HEAD {
            // RFC 9110, section 9.3.2: the headers of a GET, its Content-Length included.
            *response.body_mut() = Bytes::new();
        }
        response
    }

    /// The name under which requests for `path` are counted: its route, or `other`. There are few of
    /// them, whatever is asked.
    pub fn route_name(&self, path: &str) -> &'static str {
        match self.route(path) {
            Some(Route::Account(_)) => "/accounts/{id}",
            Some(Route::Health) => "/health",
            Some(Route::ForceHealth(_)) => "/testability/healthy/{state}",
            None => "other",
        }
    }

    /// A path matches literally, in its encoded form, so that whoever filters by path in front of
    /// the service sees what it sees. Only what is variable is decoded, and not before here.
    fn route<'a>(&self, path: &'a str) -> Option<Route<'a>> {
        let segment = |rest: &'a str| (!rest.is_empty() && !rest.contains('/')).then_some(rest);
        if path == "/health" {
            Some(Route::Health)
        } else if let Some(rest) = path.strip_prefix("/accounts/") {
            segment(rest).map(Route::Account)
        } else {
            let rest = path.strip_prefix("/testability/healthy/").filter(|_| self.testability)?;
            segment(rest).map(Route::ForceHealth)
        }
    }

    fn dispatch(
        &self,
        route: &Route<'_>,
        method: &Method,
        host: HostState,
        headers: HeaderMap,
    ) -> Response<Bytes> {
        let read = method == Method::GET || method == Method::HEAD;
        match route {
            Route::Account(_) if read && host.overloaded => overloaded(),
            Route::Account(id) if read => self.account(id, headers),
            Route::Account(_) => method_not_allowed("GET, HEAD"),
            Route::Health if read => not_stored(self.check_health(host)),
            Route::Health => not_stored(method_not_allowed("GET, HEAD")),
            Route::ForceHealth(state) if method == Method::GET => {
                not_stored(self.force_health(state))
            }
            // Not even HEAD, which must not change anything.
            Route::ForceHealth(_) => not_stored(method_not_allowed("GET")),
        }
    }

    /// The request's header map, emptied, becomes the answer's: it has its memory already.
    fn account(&self, segment: &str, mut headers: HeaderMap) -> Response<Bytes> {
        let id = match AccountId::parse(segment) {
            Ok(id) => id,
            Err(AccountIdError::Malformed) => {
                return problem(
                    StatusCode::BAD_REQUEST,
                    "An account id is one path segment of percent-encoded UTF-8.",
                );
            }
            Err(AccountIdError::Empty | AccountIdError::TooLong) => return no_such_account(),
        };
        match self.store.find(&id) {
            Ok(Some(account)) => {
                headers.clear();
                json_in(headers, StatusCode::OK, self.body(&account))
            }
            Ok(None) => no_such_account(),
            Err(error) => with_cause(
                problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The accounts cannot be read at the moment.",
                ),
                error,
            ),
        }
    }

    /// `{"id":"10000","name":"Person_0","servedBy":"10.0.0.3"}`
    fn body(&self, Account { id, name }: &Account) -> Bytes {
        let [before_id, before_name] = [r#"{"id":"#, r#","name":"#];
        let quotes = 4;
        let fixed = before_id.len() + before_name.len() + quotes + self.end_of_body.len();
        // Unless something has to be escaped, this is exact, which spares a second allocation.
        let mut body = Vec::with_capacity(fixed + id.as_str().len() + name.len());
        body.extend_from_slice(before_id.as_bytes());
        push_json(&mut body, id.as_str());
        body.extend_from_slice(before_name.as_bytes());
        push_json(&mut body, &**name);
        body.extend_from_slice(&self.end_of_body);
        body.into()
    }

    fn check_health(&self, host: HostState) -> Response<Bytes> {
        const DOWN: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        let check = || {
            if host.stalled {
                return Err(StoreError::new(
                    "answer",
                    "a request has been stuck in the store for long",
                ));
            }
            self.store.check()
        };
        match self.health.verdict(check) {
            Verdict::ShuttingDown => json(DOWN, r#"{"status":"Shutting down"}"#),
            Verdict::ForcedUnhealthy => json(DOWN, r#"{"status":"Forced unhealthy"}"#),
            Verdict::DatabaseUnaccessible(error) => {
                with_cause(json(DOWN, r#"{"status":"Database unaccessible"}"#), error)
            }
            Verdict::Up => json(StatusCode::OK, r#"{"status":"UP"}"#),
        }
    }

    fn force_health(&self, state: &str) -> Response<Bytes> {
        // The words that Go's strconv.ParseBool knows, because the original's users type them.
        let healthy = match decode_segment(state).as_deref() {
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => true,
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => false,
            _ => {
                return problem(
                    StatusCode::BAD_REQUEST,
                    "The state is one of 1 t T TRUE true True 0 f F FALSE false False.",
                );
            }
        };
        self.health.force(healthy);
        empty(StatusCode::OK)
    }

    /// A known path with one slash too many moves to the path without it, its query kept.
    fn redirect(&self, uri: &Uri) -> Option<Response<Bytes>> {
        let path = uri.path().strip_suffix('/')?;
        let route = self.route(path)?;
        let mut location = ascii_uri(path);
        if let Some(query) = uri.query() {
            location.push('?');
            location.push_str(&ascii_uri(query));
        }
        let mut response = empty(StatusCode::MOVED_PERMANENTLY);
        response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).ok()?);
        Some(match route {
            Route::Account(_) => response,
            Route::Health | Route::ForceHealth(_) => not_stored(response),
        })
    }
}

fn no_such_account() -> Response<Bytes> {
    problem(StatusCode::NOT_FOUND, "There is no account with this id.")
}

fn method_not_allowed(allow: &'static str) -> Response<Bytes> {
    let mut response =
        problem(StatusCode::METHOD_NOT_ALLOWED, &format!("This path answers {allow} only."));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// What is true now need not be true a second later: RFC 9111, section 5.2.2.5.
fn not_stored(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `http` lets raw UTF-8 into a URI; a header field takes the ASCII that RFC 3986 asks for.
fn ascii_uri(part: &str) -> String {
    let mut uri = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_graphic() {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
