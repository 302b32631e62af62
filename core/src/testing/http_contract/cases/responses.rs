//! Responses that several cases expect, in full.

pub(super) const NO_SUCH_PATH: &str = r#"
    404 Not Found
    content-length: 97
    content-type: application/problem+json

    {"type":"about:blank","title":"Not Found","status":404,"detail":"There is nothing at this path."}"#;

pub(super) const NO_SUCH_ACCOUNT: &str = r#"
    404 Not Found
    content-length: 100
    content-type: application/problem+json

    {"type":"about:blank","title":"Not Found","status":404,"detail":"There is no account with this id."}"#;

pub(super) const MALFORMED_ID: &str = r#"
    400 Bad Request
    content-length: 128
    content-type: application/problem+json

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"An account id is one path segment of percent-encoded UTF-8."}"#;

pub(super) const BAD_STATE: &str = r#"
    400 Bad Request
    cache-control: no-store
    content-length: 134
    content-type: application/problem+json

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"The state is one of 1 t T TRUE true True 0 f F FALSE false False."}"#;

pub(super) const STORE_FAILED: &str = r#"
    503 Service Unavailable
    content-length: 119
    content-type: application/problem+json

    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The accounts cannot be read at the moment."}"#;

pub(super) const ACCOUNT_405: &str = r#"
    405 Method Not Allowed
    allow: GET, HEAD
    content-length: 109
    content-type: application/problem+json

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This path answers GET, HEAD only."}"#;

pub(super) const HEALTH_405: &str = r#"
    405 Method Not Allowed
    allow: GET, HEAD
    cache-control: no-store
    content-length: 109
    content-type: application/problem+json

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This path answers GET, HEAD only."}"#;

pub(super) const FORCE_405: &str = r#"
    405 Method Not Allowed
    allow: GET
    cache-control: no-store
    content-length: 103
    content-type: application/problem+json

    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This path answers GET only."}"#;

pub(super) const UP: &str = r#"
    200 OK
    cache-control: no-store
    content-length: 15
    content-type: application/json

    {"status":"UP"}"#;

pub(super) const DATABASE_UNACCESSIBLE: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 34
    content-type: application/json

    {"status":"Database unaccessible"}"#;

pub(super) const FORCED_UNHEALTHY: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 29
    content-type: application/json

    {"status":"Forced unhealthy"}"#;

pub(super) const SHUTTING_DOWN: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 26
    content-type: application/json

    {"status":"Shutting down"}"#;

pub(super) const DONE: &str = "
    200 OK
    cache-control: no-store
    content-length: 0";

pub(super) const PERSON_0: &str = r#"
    200 OK
    content-length: 54
    content-type: application/json

    {"id":"10000","name":"Person_0","servedBy":"10.0.0.3"}"#;

pub(super) const STARTING: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 21
    content-type: application/json

    {"status":"Starting"}"#;

pub(super) const STUCK: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 18
    content-type: application/json

    {"status":"Stuck"}"#;

pub(super) const OVERLOADED: &str = r#"
    503 Service Unavailable
    cache-control: no-store
    content-length: 23
    content-type: application/json

    {"status":"Overloaded"}"#;

pub(super) const SHARED_STORE_FAILED: &str = r#"
    503 Service Unavailable
    content-length: 119
    content-type: application/problem+json
    retry-after: 1

    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The accounts cannot be read at the moment."}"#;
