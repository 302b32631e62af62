//! Liveness, readiness and the route that forces a process unhealthy, without any accounts.
//!
//! An orchestrator may replace a process whose `/health` is not 200. So liveness contains only what
//! a restart of this process can repair: its own state and its embedded store. A shared store counts
//! for readiness, and for liveness only until it has been reached once.
//!
//! [`AccountService`](crate::AccountService) is composed of this. A service with other routes calls
//! [`Health::respond`] for the paths that [`HealthRoute::of`] knows.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::account::decode_segment;
use crate::response::{
    RouteName, complete, empty, json, method_not_allowed, not_found, problem, with_cause,
    without_trailing_slash,
};

/// What a host knows and the core cannot: an extension of the request. Without it, all are false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// The process is shutting down.
    pub draining: bool,
    /// As many connections are open as the limit allows.
    pub overloaded: bool,
    /// A handler has blocked its thread for so long that it may never return.
    pub stalled: bool,
}

/// A health route, as a path selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthRoute<'a> {
    /// `/health`
    Health,
    /// `/health/live`
    Live,
    /// `/health/ready`
    Ready,
    /// `/testability/healthy/{state}`, the state still percent-encoded.
    Force(&'a str),
}

impl<'a> HealthRoute<'a> {
    /// The route of `path`, which may have one trailing slash. A path matches in its encoded form:
    /// `/%68ealth` is another path, also for a filter in front of the service.
    pub fn of(path: &'a str) -> Option<Self> {
        match path.strip_suffix('/').unwrap_or(path) {
            "/health" => Some(Self::Health),
            "/health/live" => Some(Self::Live),
            "/health/ready" => Some(Self::Ready),
            path => {
                let state = path.strip_prefix("/testability/healthy/")?;
                (!state.is_empty() && !state.contains('/')).then_some(Self::Force(state))
            }
        }
    }

    /// Whether the route asks for health and changes nothing.
    pub fn is_check(self) -> bool {
        !matches!(self, Self::Force(_))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
            Self::Force(_) => "/testability/healthy/{state}",
        }
    }
}

/// The health of one process.
///
/// All of its state is two flags, each changed by one atomic store. A request whose future is
/// dropped halfway leaves nothing behind.
#[derive(Debug, Default)]
pub struct Health {
    /// Another process may be the reason why the store fails.
    is_shared: bool,
    has_testability: bool,
    forced_unhealthy: AtomicBool,
    /// A check of the store has passed.
    started: AtomicBool,
}

/// Health as a response states it, in the order of precedence.
enum Status {
    ShuttingDown,
    ForcedUnhealthy,
    Stuck,
    Overloaded,
    Starting(Box<dyn Error + Send + Sync>),
    DatabaseUnaccessible(Box<dyn Error + Send + Sync>),
    Up,
}

impl Health {
    /// Health with a store inside this process, or with none: liveness asks for each check.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// Health with a store that other processes share: liveness is 503 `Starting` until one check
    /// has passed and never asks for a check after that.
    pub fn shared() -> Self {
        Self { is_shared: true, ..Self::default() }
    }

    /// Switches `/testability/healthy/{state}` on or off. It is off by default, because it lets any
    /// client have the process replaced.
    #[must_use]
    pub fn with_testability(self, on: bool) -> Self {
        Self { has_testability: on, ..self }
    }

    /// Whether other processes share the store.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Responds to a request for `route`. `check` asks the store, by a real read; it is called at
    /// most once, and only if nothing before it decides. A service without a store passes
    /// `|| std::future::ready(Ok::<(), std::convert::Infallible>(()))`.
    pub async fn respond<C, E>(
        &self,
        route: HealthRoute<'_>,
        request: &Request<Bytes>,
        check: impl FnOnce() -> C,
    ) -> Response<Bytes>
    where
        C: Future<Output = Result<(), E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let method = request.method();
        if !route.is_check() && !self.has_testability {
            let mut response = not_found();
            complete(&mut response, None, method);
            return response;
        }
        let is_read = method == Method::GET || method == Method::HEAD;
        let mut response = match route {
            _ if request.uri().path().ends_with('/') => without_trailing_slash(request.uri()),
            HealthRoute::Force(state) if method == Method::GET => self.force(state),
            // HEAD must not change anything.
            HealthRoute::Force(_) => method_not_allowed("GET"),
            _ if !is_read => method_not_allowed("GET, HEAD"),
            _ => {
                let host = request.extensions().get().copied().unwrap_or_default();
                self.status(route, host, check).await.into_response()
            }
        };
        // RFC 9111, section 5.2.2.5: health is true for this moment only.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        complete(&mut response, Some(RouteName(route.name())), method);
        response
    }

    async fn status<C, E>(
        &self,
        route: HealthRoute<'_>,
        host: HostState,
        check: impl FnOnce() -> C,
    ) -> Status
    where
        C: Future<Output = Result<(), E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let is_ready_route = route == HealthRoute::Ready;
        if host.draining {
            Status::ShuttingDown
        } else if self.forced_unhealthy.load(Ordering::Acquire) {
            Status::ForcedUnhealthy
        } else if host.stalled {
            Status::Stuck
        } else if is_ready_route && host.overloaded {
            Status::Overloaded
        } else if self.is_shared && !is_ready_route && self.started.load(Ordering::Acquire) {
            Status::Up
        } else {
            match check().await {
                Ok(()) => {
                    self.started.store(true, Ordering::Release);
                    Status::Up
                }
                Err(error) if self.is_shared && !self.started.load(Ordering::Acquire) => {
                    Status::Starting(error.into())
                }
                // Liveness may have waited for this check while another one passed.
                Err(_) if self.is_shared && !is_ready_route => Status::Up,
                Err(error) => Status::DatabaseUnaccessible(error.into()),
            }
        }
    }

    /// The words of Go's `strconv.ParseBool`, which users of the original type.
    fn force(&self, state: &str) -> Response<Bytes> {
        let is_healthy = match decode_segment(state).as_deref() {
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => true,
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => false,
            _ => {
                return problem(
                    StatusCode::BAD_REQUEST,
                    "The state is one of 1 t T TRUE true True 0 f F FALSE false False.",
                );
            }
        };
        self.forced_unhealthy.store(!is_healthy, Ordering::Release);
        let cause = if is_healthy { "forced healthy" } else { "forced unhealthy" };
        with_cause(empty(StatusCode::OK), cause)
    }
}

impl Status {
    fn into_response(self) -> Response<Bytes> {
        const DOWN: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::ShuttingDown => json(DOWN, r#"{"status":"Shutting down"}"#),
            Self::ForcedUnhealthy => json(DOWN, r#"{"status":"Forced unhealthy"}"#),
            Self::Stuck => json(DOWN, r#"{"status":"Stuck"}"#),
            Self::Overloaded => json(DOWN, r#"{"status":"Overloaded"}"#),
            Self::Starting(cause) => with_cause(json(DOWN, r#"{"status":"Starting"}"#), cause),
            Self::DatabaseUnaccessible(cause) => {
                with_cause(json(DOWN, r#"{"status":"Database unaccessible"}"#), cause)
            }
            Self::Up => json(StatusCode::OK, r#"{"status":"UP"}"#),
        }
    }
}
