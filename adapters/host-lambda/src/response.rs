//! From a response to the JSON that the sender of an event expects.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use http::header::SET_COOKIE;
use serde::Serialize;

/// The shape of a response: how it carries repeated headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// A list for each header: API Gateway, payload 1.0.
    V1,
    /// One text for each header, and a list of cookies: payload 2.0.
    V2,
    /// One text for each header.
    LoadBalancer,
    /// A list for each header.
    LoadBalancerMulti,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventResponse {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    multi_value_headers: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    /// Without it there is no body, as in a response to HEAD.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

impl Payload {
    pub(crate) fn json(self, response: &Response<Bytes>) -> serde_json::Result<Vec<u8>> {
        let mut event = EventResponse { status_code: response.status().as_u16(), ..<_>::default() };
        if matches!(self, Self::LoadBalancer | Self::LoadBalancerMulti) {
            event.status_description = Some(response.status().to_string());
        }
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let is_cookie = name == SET_COOKIE;
            let name = name.to_string();
            match self {
                Self::V1 | Self::LoadBalancerMulti => {
                    event.multi_value_headers.entry(name).or_default().push(value);
                }
                Self::V2 if is_cookie => event.cookies.push(value),
                // Cookies cannot be joined: a load balancer without lists carries the last one.
                Self::LoadBalancer if is_cookie => {
                    event.headers.insert(name, value);
                }
                Self::V2 | Self::LoadBalancer => {
                    let joined = event.headers.remove(&name).map(|first| first + ", ");
                    event.headers.insert(name, joined.unwrap_or_default() + &value);
                }
            }
        }
        if !response.body().is_empty() {
            let text = str::from_utf8(response.body()).ok();
            event.is_base64_encoded = text.is_none();
            let body = text.map_or_else(|| STANDARD.encode(response.body()), str::to_owned);
            event.body = Some(body);
        }
        serde_json::to_vec(&event)
    }
}
