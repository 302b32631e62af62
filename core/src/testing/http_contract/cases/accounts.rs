//! Cases of `/accounts/{id}`.

use super::super::Step::{Ask, Store};
use super::super::{Case, EMBEDDED, TESTABILITY};
use super::responses::{
    DATABASE_UNACCESSIBLE, MALFORMED_ID, NO_SUCH_ACCOUNT, PERSON_0, STORE_FAILED,
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case {
        name: "a known account is answered",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /accounts/10000"], PERSON_0),
        ],
    },
    Case {
        name: "an unknown account is a 404",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /accounts/999", "GET /accounts/1000", "GET /accounts/Person_0"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "an id is percent-decoded",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /accounts/%31%30000"], PERSON_0),
            Ask(&["GET /accounts/a%2Fb", "GET /accounts/a%2fb"], r#"
                200 OK
                content-length: 51
                content-type: application/json

                {"id":"a/b","name":"A slash","servedBy":"10.0.0.3"}"#),
            Ask(&["GET /accounts/%C3%BC"], r#"
                200 OK
                content-length: 52
                content-type: application/json

                {"id":"ü","name":"Umlaut ü","servedBy":"10.0.0.3"}"#),
            Ask(&["GET /accounts/10000+", "GET /accounts/%00", "GET /accounts/%2531%30000"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "what is not percent-encoded UTF-8 is a 400",
        given: EMBEDDED,
        steps: &[
            Ask(&[
                "GET /accounts/%", "GET /accounts/%1", "GET /accounts/1%", "GET /accounts/%zz",
                "GET /accounts/%3g", "GET /accounts/%+1", "GET /accounts/%ff",
                "GET /accounts/%C3", "GET /accounts/%C3%28", "GET /accounts/%ED%A0%80",
                "GET /accounts/%C0%AF", "GET /accounts/%F5%80%80%80", "GET /accounts/10000%2",
            ], MALFORMED_ID),
        ],
    },
    Case {
        name: "an id has at most 64 bytes, decoded",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /accounts/1234567890123456789012345678901234567890123456789012345678901234", "GET /accounts/%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30%31%32%33%34"], r#"
                200 OK
                content-length: 113
                content-type: application/json

                {"id":"1234567890123456789012345678901234567890123456789012345678901234","name":"64 bytes","servedBy":"10.0.0.3"}"#),
            Ask(&["GET /accounts/12345678901234567890123456789012345678901234567890123456789012345"], NO_SUCH_ACCOUNT),
        ],
    },
    Case {
        name: "whatever a name holds is escaped as JSON",
        given: EMBEDDED,
        steps: &[
            Ask(&["GET /accounts/odd"], r#"
                200 OK
                content-length: 89
                content-type: application/json

                {"id":"odd","name":"\" \\ / \b\f\n\r\t\u0000\u001f </script>  ","servedBy":"10.0.0.3"}"#),
        ],
    },
    Case {
        name: "a failing store is a 503 without its cause",
        given: TESTABILITY,
        steps: &[
            Store(false),
            Ask(&["GET /accounts/10000"], STORE_FAILED),
            Ask(&["HEAD /accounts/10000"], "
                503 Service Unavailable
                content-length: 119
                content-type: application/problem+json"),
            Ask(&["GET /health"], DATABASE_UNACCESSIBLE),
            Ask(&["HEAD /health"], "
                503 Service Unavailable
                cache-control: no-store
                content-length: 34
                content-type: application/json"),
            Ask(&["GET /accounts/%ff"], MALFORMED_ID),
            Ask(&["GET /accounts/12345678901234567890123456789012345678901234567890123456789012345"], NO_SUCH_ACCOUNT),
        ],
    },
];
