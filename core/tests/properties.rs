//! Properties of every request, however odd.

use accountservice_core::{
    Account, AccountId, AccountIdError, AccountService, AccountStore, StoreError,
};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{Method, Request, StatusCode, Uri};
use proptest::prelude::*;

/// Holds every account; the name of each is its id.
struct EveryAccount;

impl AccountStore for EveryAccount {
    fn find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        Ok(Some(Account { id: id.clone(), name: id.as_str().into() }))
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        4 => Just(Method::GET),
        2 => Just(Method::HEAD),
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}"
            .prop_filter_map("a token", |token| Method::from_bytes(token.as_bytes()).ok()),
    ]
}

/// Mostly near the routes, and sometimes anything that `http` accepts as a URI.
fn target() -> impl Strategy<Value = Uri> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("/accounts".to_owned()),
        Just("/health".to_owned()),
        Just("/testability/healthy".to_owned()),
        Just("/true".to_owned()),
        Just("/live".to_owned()),
        Just("/ready".to_owned()),
        Just("?".to_owned()),
        "/[a-z0-9%]{0,70}",
        "%[0-9a-fA-F]{2}",
        "\\PC{0,8}",
    ];
    prop_oneof![
        prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
    .prop_filter_map("a URI", |text| Uri::try_from(text).ok())
}

/// Encodes every byte, also those that need no encoding.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"))
}

proptest! {
    // Few enough that the tests of the core take under 0.2 s.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_request_panics_and_every_body_has_its_length_and_type(
        method in method(),
        uri in target(),
        body in any::<Vec<u8>>(),
        testability in any::<bool>(),
    ) {
        let service = AccountService::new(EveryAccount, "10.0.0.3").with_testability(testability);
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        let response = service.handle(request);

        let length = response.headers()[CONTENT_LENGTH].to_str().expect("digits");
        let length: usize = length.parse().expect("a number");
        if method == Method::HEAD {
            prop_assert!(response.body().is_empty());
        } else {
            prop_assert_eq!(length, response.body().len());
        }
        prop_assert_eq!(length > 0, response.headers().contains_key(CONTENT_TYPE));
        prop_assert_eq!(
            response.status() == StatusCode::METHOD_NOT_ALLOWED,
            response.headers().contains_key(ALLOW)
        );
        prop_assert_eq!(
            response.status() == StatusCode::MOVED_PERMANENTLY,
            response.headers().contains_key(LOCATION)
        );
        if !response.body().is_empty() {
            let json: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
            prop_assert!(json.is_object());
        }
    }

    #[test]
    fn an_id_survives_percent_encoding(id in "\\PC{1,16}|[\\x00-\\x7f]{1,64}") {
        let service = AccountService::new(EveryAccount, "");
        let uri = format!("/accounts/{}", percent_encode(&id));
        let response = service.handle(Request::get(uri).body(Bytes::new()).expect("a URI"));

        prop_assert_eq!(response.status(), 200);
        let json: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
        prop_assert_eq!(json["id"].as_str(), Some(id.as_str()));
        prop_assert_eq!(json["name"].as_str(), Some(id.as_str()));
    }

    #[test]
    fn an_id_has_1_to_64_bytes(text in "\\PC{0,80}") {
        let expected = match text.len() {
            0 => Err(AccountIdError::Empty),
            1..=64 => Ok(text.clone()),
            _ => Err(AccountIdError::TooLong),
        };
        prop_assert_eq!(AccountId::new(text.as_str()).map(|id| id.to_string()), expected.clone());
        prop_assert_eq!(AccountId::parse(&percent_encode(&text)).map(|id| id.to_string()), expected);
    }

    #[test]
    fn a_redirect_leads_to_a_known_path(uri in target()) {
        let service = AccountService::new(EveryAccount, "").with_testability(true);
        let ask = |uri: Uri| service.handle(Request::get(uri).body(Bytes::new()).expect("a URI"));
        let response = ask(uri);
        if let Some(location) = response.headers().get(LOCATION) {
            let location = Uri::try_from(location.as_bytes()).expect("a URI");
            prop_assert!(location.host().is_none(), "a redirect stays on this server");
            let status = ask(location).status();
            prop_assert_ne!(status, StatusCode::MOVED_PERMANENTLY, "one redirect is enough");
        }
    }
}
