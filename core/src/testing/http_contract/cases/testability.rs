//! Cases of `/testability/healthy/{state}`.

use super::super::Step::{Ask, Store};
use super::super::{Case, EMBEDDED, TESTABILITY};
use super::responses::{
    BAD_STATE, DATABASE_UNACCESSIBLE, DONE, FORCE_405, FORCED_UNHEALTHY, NO_SUCH_PATH, PERSON_0, UP,
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case {
        name: "testability is off unless asked for, like any unknown path",
        given: EMBEDDED,
        steps: &[
            Ask(&[
                "GET /testability/healthy/false", "GET /testability/healthy/false/",
                "POST /testability/healthy/false", "GET /testability/healthy/maybe",
            ], NO_SUCH_PATH),
            Ask(&["HEAD /testability/healthy/false"], "
                404 Not Found
                content-length: 97
                content-type: application/problem+json"),
            Ask(&["GET /health"], UP),
        ],
    },
    Case {
        name: "the health state is forced with any word of ParseBool",
        given: TESTABILITY,
        steps: &[
            Ask(&["GET /testability/healthy/0"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/1"], DONE),
            Ask(&["GET /health"], UP),
            Ask(&["GET /testability/healthy/f"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/t"], DONE),
            Ask(&["GET /health"], UP),
            Ask(&["GET /testability/healthy/F"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/T"], DONE),
            Ask(&["GET /health"], UP),
            Ask(&["GET /testability/healthy/FALSE"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/TRUE"], DONE),
            Ask(&["GET /health"], UP),
            Ask(&["GET /testability/healthy/false"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/true"], DONE),
            Ask(&["GET /health"], UP),
            Ask(&["GET /testability/healthy/False"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/True"], DONE),
            Ask(&["GET /health"], UP),
        ],
    },
    Case {
        name: "forcing twice is as forcing once",
        given: TESTABILITY,
        steps: &[
            Ask(&["GET /testability/healthy/false", "GET /testability/healthy/false?x"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["HEAD /health"], "
                503 Service Unavailable
                cache-control: no-store
                content-length: 29
                content-type: application/json"),
            Ask(&["GET /accounts/10000"], PERSON_0),
            Ask(&["GET /testability/healthy/%74rue", "GET /testability/healthy/true"], DONE),
            Ask(&["GET /health"], UP),
        ],
    },
    Case {
        name: "any other state is a 400 that changes nothing",
        given: TESTABILITY,
        steps: &[
            Ask(&[
                "GET /testability/healthy/maybe", "GET /testability/healthy/tRue",
                "GET /testability/healthy/TRue", "GET /testability/healthy/yes",
                "GET /testability/healthy/on", "GET /testability/healthy/00",
                "GET /testability/healthy/01", "GET /testability/healthy/-1",
                "GET /testability/healthy/%20true", "GET /testability/healthy/true%20",
                "GET /testability/healthy/%ff", "GET /testability/healthy/%",
                "GET /testability/healthy/2",
            ], BAD_STATE),
            Ask(&["GET /health"], UP),
            Ask(&["GET /testability/healthy/0"], DONE),
            Ask(&["GET /testability/healthy/maybe"], BAD_STATE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
        ],
    },
    Case {
        name: "only GET forces the health state",
        given: TESTABILITY,
        steps: &[
            Ask(&["HEAD /testability/healthy/false"], "
                405 Method Not Allowed
                allow: GET
                cache-control: no-store
                content-length: 103
                content-type: application/problem+json"),
            Ask(&[
                "POST /testability/healthy/false", "PUT /testability/healthy/false",
                "PATCH /testability/healthy/false", "DELETE /testability/healthy/false",
                "OPTIONS /testability/healthy/false",
            ], FORCE_405),
            Ask(&["HEAD /testability/healthy/false/", "GET /testability/healthy/false/"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /testability/healthy/false"),
            Ask(&["GET /health"], UP),
        ],
    },
    Case {
        name: "only the whole path of the testability route is known",
        given: TESTABILITY,
        steps: &[
            Ask(&[
                "GET /testability", "GET /testability/", "GET /testability/healthy",
                "GET /testability/healthy/", "GET /testability/healthy//",
                "GET /testability/healthy/false/x", "GET /testability/false",
            ], NO_SUCH_PATH),
            Ask(&["GET /health"], UP),
        ],
    },
    Case {
        name: "forced comes before the store",
        given: TESTABILITY,
        steps: &[
            Store(false),
            Ask(&["GET /testability/healthy/false"], DONE),
            Ask(&["GET /health"], FORCED_UNHEALTHY),
            Ask(&["GET /testability/healthy/true"], DONE),
            Ask(&["GET /health"], DATABASE_UNACCESSIBLE),
        ],
    },
];
