//! The cases. Nothing here is computed: each answer stands as a client gets it.
//!
//! Requests are made in the order in which they stand; those in one list are all answered alike.

use super::Case;
use super::Given::{BrokenStore, Default, Draining, Testability};

const NO_SUCH_PATH: &str = r#"
    404 Not Found
    content-length: 97
    content-type: application/problem+json

    {"type":"about:blank","title":"Not Found","status":404,"detail":"There is nothing at this path."}"#;

const NO_SUCH_ACCOUNT: &str = r#"
    404 Not Found
    content-length: 100
    content-type: application/problem+json

    {"type":"about:blank","title":"Not Found","status":404,"detail":"There is no account with this id."}"#;

const MALFORMED_ID: &str = r#"
    400 Bad Request
    content-length: 128
    content-type: application/problem+json

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"An account id is one path segment of percent-encoded UTF-8."}"#;

const BAD_STATE: &str = r#"
    400 Bad Request
    cache-control: no-store
    content-length: 134
    content-type: application/problem+json

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"The state is one of 1 t T TRUE true True 0 f F FALSE false False."}"#;

const STORE_FAILED: &str = r#"
    503 Service Unavailable
    content-length: 119
    content-type: application/problem+json

    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The accounts cannot be read at the moment."}"#;

const ACCOUNT_405: &str = r#"
    405 Method Not Allowed
    allow: GET, HEAD
    content-length: 109
    content-type: application/problem+json

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This path answers GET, HEAD only."}"#;

const HEALTH_405: &str = r#"
    405 Method Not Allowed
    allow: GET, HEAD
    cache-control: no-store
    content-length: 109
    content-type: application/problem+json

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This path answers GET, HEAD only."}"#;

const FORCE_405: &str = r#"
    405 Method Not Allowed
    allow: GET
    cache-control: no-store
    content-length: 103
    content-type: application/problem+json

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This path answers GET only."}"#;

const UP: &str = r#"
    200 OK
    cache-control: no-store
    content-length: 15
    content-type: application/json

    {"status":"UP"}"#;

const DATABASE_UNACCESSIBLE: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 34
    content-type: application/json

    {"status":"Database unaccessible"}"#;

const FORCED_UNHEALTHY: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 29
    content-type: application/json

    {"status":"Forced unhealthy"}"#;

const SHUTTING_DOWN: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 26
    content-type: application/json

    {"status":"Shutting down"}"#;

const DONE: &str = "
    200 OK
    cache-control: no-store
    content-length: 0";

const PERSON_0: &str = r#"
    200 OK
    content-length: 54
    content-type: application/json

    {"id":"10000","name":"Person_0","servedBy":"10.0.0.3"}"#;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case {
        name: "a known account is answered",
        given: Default,
        exchanges: &[
            (&["GET /accounts/10000"], PERSON_0),
        ],
    },
    Case {
        name: "HEAD answers as GET does, without the body",
        given: Default,
        exchanges: &[
            (&["HEAD /accounts/10000"], "
                200 OK
                content-length: 54
                content-type: application/json"),
            (&["HEAD /health"], "
                200 OK
                cache-control: no-store
                content-length: 15
                content-type: application/json"),
            (&["HEAD /accounts/999"], "
                404 Not Found
                content-length: 100
                content-type: application/problem+json"),
            (&["HEAD /accounts/%ff"], "
                400 Bad Request
                content-length: 128
                content-type: application/problem+json"),
            (&["HEAD /nowhere"], "
                404 Not Found
                content-length: 97
                content-type: application/problem+json"),
            (&["HEAD /health/"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health"),
        ],
    },
    Case {
        name: "an unknown account is a 404",
        given: Default,
        exchanges: &[
            (&["GET /accounts/999", "GET /accounts/1000", "GET /accounts/Person_0"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "an id is percent-decoded",
        given: Default,
        exchanges: &[
            (&["GET /accounts/%31%30000"], PERSON_0),
            (&["GET /accounts/a%2Fb", "GET /accounts/a%2fb"], r#"
                200 OK
                content-length: 51
                content-type: application/json

                {"id":"a/b","name":"A slash","servedBy":"10.0.0.3"}"#),
            (&["GET /accounts/%C3%BC", "GET /accounts/ü"], r#"
                200 OK
                content-length: 52
                content-type: application/json

                {"id":"ü","name":"Umlaut ü","servedBy":"10.0.0.3"}"#),
            (&["GET /accounts/10000+", "GET /accounts/%00", "GET /accounts/%2531%30000"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "what is not percent-encoded UTF-8 is a 400",
        given: Default,
        exchanges: &[
            (&[
                "GET /accounts/%", "GET /accounts/%1", "GET /accounts/1%", "GET /accounts/%zz",
                "GET /accounts/%3g", "GET /accounts/%+1", "GET /accounts/%ff",
                "GET /accounts/%C3", "GET /accounts/%C3%28", "GET /accounts/%ED%A0%80",
                "GET /accounts/%C0%AF", "GET /accounts/%F5%80%80%80", "GET /accounts/10000%2",
            ], MALFORMED_ID),
        ],
    },
    Case {
        name: "an id has at most 64 bytes, decoded",
        given: Default,
        exchanges: &[
            (&["GET /accounts/1234567890123456789012345678901234567890123456789012345678901234", "GET /accounts/%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34"], r#"
                200 OK
                content-length: 113
                content-type: application/json

                {"id":"1234567890123456789012345678901234567890123456789012345678901234","name":"64 bytes","servedBy":"10.0.0.3"}"#),
            (&["GET /accounts/12345678901234567890123456789012345678901234567890123456789012345"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "whatever a name holds is escaped as JSON",
        given: Default,
        exchanges: &[
            (&["GET /accounts/odd"], r#"
                200 OK
                content-length: 89
                content-type: application/json

                {"id":"odd","name":"\" \\ / \b\f\n\r\t\u0000\u001f </script>  ","servedBy":"10.0.0.3"}"#),
        ],
    },
    Case {
        name: "a query never changes the answer",
        given: Default,
        exchanges: &[
            (&["GET /accounts/10000?x=1", "GET /accounts/10000?"], PERSON_0),
            (&["GET /health?a/b"], UP),
            (&["GET /accounts/999?/accounts/10000"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "a healthy service is UP",
        given: Default,
        exchanges: &[
            (&["GET /health"], UP),
        ],
    },
    Case {
        name: "one trailing slash is redirected, its query kept",
        given: Default,
        exchanges: &[
            (&["GET /accounts/10000/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/10000"),
            (&["GET /accounts/10000/?a=b&c=/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/10000?a=b&c=/"),
            (&["GET /accounts/999/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/999"),
            (&["GET /accounts/a%2Fb/?"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/a%2Fb?"),
            (&["GET /accounts/ü/?ü"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/%C3%BC?%C3%BC"),
            (&["POST /accounts/10000/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/10000"),
            (&["GET /health/"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health"),
            (&["GET /health/?q"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health?q"),
        ],
    },
    Case {
        name: "any other path is a 404",
        given: Default,
        exchanges: &[
            (&[
                "GET /", "GET //", "GET /accounts", "GET /accounts/", "GET /accounts//",
                "GET /accounts/10000//", "GET /accounts/10000/x", "GET //accounts/10000",
                "GET /accounts//10000", "GET /Accounts/10000", "GET /health/x", "GET /health//",
                "GET /HEALTH", "GET /%68ealth", "GET /healthy", "GET /testability",
                "GET /metrics", "GET /accounts%2F10000", "POST /", "DELETE /nowhere",
            ], NO_SUCH_PATH),
        ],
    },
    Case {
        name: "any other method on a known path is a 405 that allows GET and HEAD",
        given: Default,
        exchanges: &[
            (&[
                "POST /accounts/10000", "PUT /accounts/10000", "PATCH /accounts/10000",
                "DELETE /accounts/10000", "OPTIONS /accounts/10000", "TRACE /accounts/10000",
                "get /accounts/10000", "BREW /accounts/10000", "POST /accounts/%ff",
            ], ACCOUNT_405),
            (&[
                "POST /health", "PUT /health", "PATCH /health", "DELETE /health",
                "OPTIONS /health", "TRACE /health",
            ], HEALTH_405),
        ],
    },
    Case {
        name: "testability is off unless asked for, like any unknown path",
        given: Default,
        exchanges: &[
            (&[
                "GET /testability/healthy/false", "GET /testability/healthy/false/",
                "POST /testability/healthy/false", "GET /testability/healthy/maybe",
            ], NO_SUCH_PATH),
            (&["HEAD /testability/healthy/false"], "
                404 Not Found
                content-length: 97
                content-type: application/problem+json"),
            (&["GET /health"], UP),
        ],
    },
    Case {
        name: "the health state is forced with any word of ParseBool",
        given: Testability,
        exchanges: &[
            (&["GET /testability/healthy/0"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["GET /testability/healthy/1"], DONE),
            (&["GET /health"], UP),
            (&["GET /testability/healthy/f"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["GET /testability/healthy/t"], DONE),
            (&["GET /health"], UP),
            (&["GET /testability/healthy/F"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["GET /testability/healthy/T"], DONE),
            (&["GET /health"], UP),
            (&["GET /testability/healthy/FALSE"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["GET /testability/healthy/TRUE"], DONE),
            (&["GET /health"], UP),
            (&["GET /testability/healthy/false"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["GET /testability/healthy/true"], DONE),
            (&["GET /health"], UP),
            (&["GET /testability/healthy/False"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["GET /testability/healthy/True"], DONE),
            (&["GET /health"], UP),
        ],
    },
    Case {
        name: "forcing twice is as forcing once",
        given: Testability,
        exchanges: &[
            (&["GET /testability/healthy/false", "GET /testability/healthy/false?x"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["HEAD /health"], "
                503 Service Unavailable
                cache-control: no-store
                content-length: 29
                content-type: application/json"),
            (&["GET /accounts/10000"], PERSON_0),
            (&["GET /testability/healthy/%74rue", "GET /testability/healthy/true"], DONE),
            (&["GET /health"], UP),
        ],
    },
    Case {
        name: "any other state is a 400 that changes nothing",
        given: Testability,
        exchanges: &[
            (&[
                "GET /testability/healthy/maybe", "GET /testability/healthy/tRue",
                "GET /testability/healthy/TRue", "GET /testability/healthy/yes",
                "GET /testability/healthy/on", "GET /testability/healthy/00",
                "GET /testability/healthy/01", "GET /testability/healthy/-1",
                "GET /testability/healthy/%20true", "GET /testability/healthy/true%20",
                "GET /testability/healthy/%ff", "GET /testability/healthy/%",
                "GET /testability/healthy/2",
            ], BAD_STATE),
            (&["GET /health"], UP),
            (&["GET /testability/healthy/0"], DONE),
            (&["GET /testability/healthy/maybe"], BAD_STATE),
            (&["GET /health"], FORCED_UNHEALTHY),
        ],
    },
    Case {
        name: "only GET forces the health state",
        given: Testability,
        exchanges: &[
            (&["HEAD /testability/healthy/false"], "
                405 Method Not Allowed
                allow: GET
                cache-control: no-store
                content-length: 103
                content-type: application/problem+json"),
            (&[
                "POST /testability/healthy/false", "PUT /testability/healthy/false",
                "PATCH /testability/healthy/false", "DELETE /testability/healthy/false",
                "OPTIONS /testability/healthy/false",
            ], FORCE_405),
            (&["HEAD /testability/healthy/false/", "GET /testability/healthy/false/"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /testability/healthy/false"),
            (&["GET /health"], UP),
        ],
    },
    Case {
        name: "only the whole path of the testability route is known",
        given: Testability,
        exchanges: &[
            (&[
                "GET /testability", "GET /testability/", "GET /testability/healthy",
                "GET /testability/healthy/", "GET /testability/healthy//",
                "GET /testability/healthy/false/x", "GET /testability/false",
            ], NO_SUCH_PATH),
            (&["GET /health"], UP),
        ],
    },
    Case {
        name: "a failing store is a 503 without its cause",
        given: BrokenStore,
        exchanges: &[
            (&["GET /accounts/10000"], STORE_FAILED),
            (&["HEAD /accounts/10000"], "
                503 Service Unavailable
                content-length: 119
                content-type: application/problem+json"),
            (&["GET /health"], DATABASE_UNACCESSIBLE),
            (&["HEAD /health"], "
                503 Service Unavailable
                cache-control: no-store
                content-length: 34
                content-type: application/json"),
            (&["GET /accounts/%ff"], MALFORMED_ID),
            (&["GET /accounts/12345678901234567890123456789012345678901234567890123456789012345"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "forced comes before the store",
        given: BrokenStore,
        exchanges: &[
            (&["GET /testability/healthy/false"], DONE),
            (&["GET /health"], FORCED_UNHEALTHY),
            (&["GET /testability/healthy/true"], DONE),
            (&["GET /health"], DATABASE_UNACCESSIBLE),
        ],
    },
    Case {
        name: "shutting down comes before all else",
        given: Draining,
        exchanges: &[
            (&["GET /health"], SHUTTING_DOWN),
            (&["GET /testability/healthy/false"], DONE),
            (&["GET /health"], SHUTTING_DOWN),
            (&["GET /testability/healthy/true"], DONE),
            (&["GET /health"], SHUTTING_DOWN),
            (&["HEAD /health"], "
                503 Service Unavailable
                cache-control: no-store
                content-length: 26
                content-type: application/json"),
            (&["GET /accounts/10000"], STORE_FAILED),
        ],
    },
];
