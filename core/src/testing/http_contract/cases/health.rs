//! Cases of `/health`, `/health/live` and `/health/ready`.

use super::super::Step::{Ask, Host, Store};
use super::super::{Case, EMBEDDED, SHARED, TESTABILITY};
use super::responses::{
    DATABASE_UNACCESSIBLE, DONE, FORCED_UNHEALTHY, HEALTH_405, NO_SUCH_PATH, OVERLOADED, PERSON_0,
    SHARED_STORE_FAILED, SHUTTING_DOWN, STARTING, STORE_FAILED, STUCK, UP,
};
use crate::HostState;

const IDLE: HostState = HostState { draining: false, overloaded: false, stalled: false };
const DRAINING: HostState = HostState { draining: true, ..IDLE };
const OVERLOAD: HostState = HostState { overloaded: true, ..IDLE };
const STALLED: HostState = HostState { stalled: true, ..IDLE };
const ALL_THREE: HostState = HostState { draining: true, overloaded: true, stalled: true };

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case {
        name: "a healthy service is UP, live and ready",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], UP),
            Ask(&["HEAD /health/live", "HEAD /health/ready"], "
                200 OK
                cache-control: no-store
                content-length: 15
                content-type: application/json"),
            Ask(&["GET /health/live/"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health/live"),
            Ask(&["GET /health/ready/?q"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health/ready?q"),
            Ask(&["POST /health/live", "DELETE /health/ready"], HEALTH_405),
            Ask(&[
                "GET /health/live/x", "GET /health/ready//", "GET /health/alive", "GET /live",
                "GET /ready", "GET /health%2Flive",
            ], NO_SUCH_PATH),
        ],
    },
    Case {
        name: "an embedded store counts for health each time",
        given: EMBEDDED,
        steps: &[
            Store(false),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], DATABASE_UNACCESSIBLE),
            Store(true),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], UP),
            Store(false),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], DATABASE_UNACCESSIBLE),
            Ask(&["GET /accounts/10000"], STORE_FAILED),
        ],
    },
    Case {
        name: "shutting down comes before all else",
        given: TESTABILITY,
        steps: &[
            Host(ALL_THREE),
            Store(false),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], SHUTTING_DOWN),
            Ask(&["GET /testability/healthy/false"], DONE),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], SHUTTING_DOWN),
            Ask(&["HEAD /health"], "
                503 Service Unavailable
                cache-control: no-store
                content-length: 26
                content-type: application/json"),
            Ask(&["GET /accounts/10000"], STORE_FAILED),
            Store(true),
            Ask(&["GET /accounts/10000"], PERSON_0),
        ],
    },
    Case {
        name: "forced comes before stuck, stuck before overloaded, overloaded before the store",
        given: TESTABILITY,
        steps: &[
            Store(false),
            Host(HostState { draining: false, ..ALL_THREE }),
            Ask(&["GET /testability/healthy/false"], DONE),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/true"], DONE),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], STUCK),
            Host(STALLED),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], STUCK),
            Host(OVERLOAD),
            Ask(&["GET /health", "GET /health/live"], DATABASE_UNACCESSIBLE),
            Ask(&["GET /health/ready"], OVERLOADED),
            Host(IDLE),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], DATABASE_UNACCESSIBLE),
        ],
    },
    Case {
        name: "an overloaded service is live and not ready",
        given: EMBEDDED,
        steps: &[
            Host(OVERLOAD),
            Ask(&["GET /health", "GET /health/live"], UP),
            Ask(&["GET /health/ready"], OVERLOADED),
            Ask(&["GET /accounts/10000"], PERSON_0),
        ],
    },
    Case {
        name: "a service is starting until its shared store has been reached",
        given: SHARED,
        steps: &[
            Store(false),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], STARTING),
            Ask(&["GET /accounts/10000"], SHARED_STORE_FAILED),
            Store(true),
            Ask(&["GET /health", "GET /health/live", "GET /health/ready"], UP),
        ],
    },
    Case {
        name: "a service stays live when its shared store fails",
        given: SHARED,
        steps: &[
            Ask(&["GET /health"], UP),
            Store(false),
            Ask(&["GET /health", "GET /health/live"], UP),
            Ask(&["GET /health/ready"], DATABASE_UNACCESSIBLE),
            Ask(&["GET /accounts/10000"], SHARED_STORE_FAILED),
            Store(true),
            Ask(&["GET /health/ready"], UP),
            Ask(&["GET /accounts/10000"], PERSON_0),
        ],
    },
    Case {
        name: "readiness starts a service as liveness does",
        given: SHARED,
        steps: &[
            Ask(&["GET /health/ready"], UP),
            Store(false),
            Ask(&["GET /health", "GET /health/live"], UP),
        ],
    },
    Case {
        name: "shutting down, forced, stuck and overloaded come before starting",
        given: SHARED,
        steps: &[
            Store(false),
            Host(DRAINING),
            Ask(&["GET /health", "GET /health/ready"], SHUTTING_DOWN),
            Host(IDLE),
            Ask(&["GET /testability/healthy/false"], DONE),
            Ask(&["GET /health", "GET /health/ready"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/true"], DONE),
            Host(STALLED),
            Ask(&["GET /health", "GET /health/ready"], STUCK),
            Host(OVERLOAD),
            Ask(&["GET /health"], STARTING),
            Ask(&["GET /health/ready"], OVERLOADED),
        ],
    },
];
