//! Cases of paths, methods, queries and redirects.

use super::super::Step::Ask;
use super::super::{Case, EMBEDDED};
use super::responses::{ACCOUNT_405, HEALTH_405, NO_SUCH_ACCOUNT, NO_SUCH_PATH, PERSON_0, UP};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case {
        name: "HEAD answers as GET does, without the body",
        given: EMBEDDED,
        steps: &[
            Ask(&["HEAD /accounts/10000"], "
                200 OK
                content-length: 54
                content-type: application/json"),
            Ask(&["HEAD /health"], "
                200 OK
                cache-control: no-store
                content-length: 15
                content-type: application/json"),
            Ask(&["HEAD /accounts/999"], "
                404 Not Found
                content-length: 100
                content-type: application/problem+json"),
            Ask(&["HEAD /accounts/%ff"], "
                400 Bad Request
                content-length: 128
                content-type: application/problem+json"),
            Ask(&["HEAD /nowhere"], "
                404 Not Found
                content-length: 97
                content-type: application/problem+json"),
            Ask(&["HEAD /health/"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health"),
        ],
    },
    Case {
        name: "a query never changes the answer",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /accounts/10000?x=1", "GET /accounts/10000?"], PERSON_0),
            Ask(&["GET /health?a/b"], UP),
            Ask(&["GET /accounts/999?/accounts/10000"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "one trailing slash is redirected, its query kept",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /accounts/10000/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/10000"),
            Ask(&["GET /accounts/10000/?a=b&c=/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/10000?a=b&c=/"),
            Ask(&["GET /accounts/999/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/999"),
            Ask(&["GET /accounts/a%2Fb/?"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/a%2Fb?"),
            Ask(&["POST /accounts/10000/"], "
                301 Moved Permanently
                content-length: 0
                location: /accounts/10000"),
            Ask(&["GET /health/"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health"),
            Ask(&["GET /health/?q"], "
                301 Moved Permanently
                cache-control: no-store
                content-length: 0
                location: /health?q"),
        ],
    },
    Case {
        name: "any other path is a 404",
        given: EMBEDDED,
        steps: &[
            Ask(&[
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
        given: EMBEDDED,
        steps: &[
            Ask(&[
                "POST /accounts/10000", "PUT /accounts/10000", "PATCH /accounts/10000",
                "DELETE /accounts/10000", "OPTIONS /accounts/10000", "TRACE /accounts/10000",
                "get /accounts/10000", "BREW /accounts/10000", "POST /accounts/%ff",
            ], ACCOUNT_405),
            Ask(&[
                "POST /health", "PUT /health", "PATCH /health", "DELETE /health",
                "OPTIONS /health", "TRACE /health",
            ], HEALTH_405),
        ],
    },
];
