//! The bare core against the HTTP contract.

use accountservice_core::testing::http_contract;

#[test]
fn the_core_keeps_the_http_contract() {
    http_contract::check(|service| {
        move |method, target: &str| service.handle(http_contract::request(method, target))
    });
}
