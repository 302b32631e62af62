//! From an event to a request: the payloads of API Gateway (1.0 and 2.0), function URLs and load
//! balancers.
//!
//! `lambda_http` is not used: it panics at a path that is no URI, such as one that API Gateway has
//! decoded, and puts the stage into the path.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::response::Payload;

/// Bytes that a path may have besides letters, digits and `-._~` (RFC 3986, section 3.3).
const PATH: &str = "!$&'()*+,;=:@/";
const ENCODED_PATH: &str = "!$&'()*+,;=:@/%";
const ENCODED_QUERY: &str = "!$&'()*+,;=:@/?%";
/// Without `&`, `=` and `+`, which have a meaning in a query.
const PARAMETER: &str = "!$'(),*;:@/?";

/// A request, and what its response needs to know of the event.
pub(crate) struct Invocation {
    pub(crate) request: Request<Bytes>,
    /// The part of the client's path in front of the request's: a stage or a base path.
    pub(crate) prefix: String,
    pub(crate) payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    /// `1.0` or `2.0` from an HTTP API and a function URL; a REST API and a load balancer send none.
    version: Option<String>,
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    query_string_parameters: Option<BTreeMap<String, Option<String>>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Option<Vec<String>>>>,
    headers: Option<BTreeMap<String, Option<String>>>,
    multi_value_headers: Option<BTreeMap<String, Option<Vec<String>>>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    domain_name: Option<String>,
    stage: Option<String>,
    http: Option<Http>,
    elb: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl Invocation {
    /// Reads an event. `base_path` is that of a custom domain, such as `/bank`, or empty.
    pub(crate) fn of(event: &[u8], base_path: &str) -> Result<Self> {
        let event: Event = serde_json::from_slice(event).context("not an event of HTTP")?;
        let payload = event.payload();
        let (prefix, path) = event.prefix_and_path(base_path)?;
        let mut target = event.encoded(path);
        if let Some(query) = event.query().filter(|query| !query.is_empty()) {
            target.push('?');
            target.push_str(&query);
        }
        let mut request = Request::new(event.body()?);
        *request.method_mut() = event.method()?;
        *request.uri_mut() = Uri::try_from(&target).context("the path is not a path")?;
        *request.headers_mut() = event.headers()?;
        Ok(Self { request, prefix, payload })
    }
}

impl Event {
    fn payload(&self) -> Payload {
        match (&self.version, &self.request_context.elb) {
            (None, Some(_)) if self.multi_value_headers.is_some() => Payload::LoadBalancerMulti,
            (None, Some(_)) => Payload::LoadBalancer,
            (Some(version), None) if version == "2.0" => Payload::V2,
            _ => Payload::V1,
        }
    }

    fn method(&self) -> Result<Method> {
        let http = self.request_context.http.as_ref().map(|http| &http.method);
        let method = http.or(self.http_method.as_ref()).context("the event has no method")?;
        method.parse().with_context(|| format!("{method:?} is not a method"))
    }

    /// An HTTP API puts a named stage in front of the path, also on a custom domain, where the
    /// client's path has a base path instead. A REST API never does.
    fn prefix_and_path<'a>(&'a self, base_path: &'a str) -> Result<(String, &'a str)> {
        let path = self.raw_path.as_deref().or(self.path.as_deref());
        let path = path.context("the event has no path")?;
        ensure!(path.starts_with('/'), "the path has no slash in front");
        let stage = self.request_context.stage.as_deref().filter(|stage| *stage != "$default");
        let stage = stage.map_or_else(String::new, |stage| format!("/{stage}"));
        let path = if self.version.is_some() { without_prefix(path, &stage) } else { path };
        if self.is_at(".execute-api.") {
            return Ok((stage, path));
        }
        Ok((base_path.to_owned(), without_prefix(path, base_path)))
    }

    fn is_at(&self, domain: &str) -> bool {
        self.request_context.domain_name.as_deref().is_some_and(|name| name.contains(domain))
    }

    /// An HTTP API decodes the path, everything else leaves it as the client sent it.
    fn encoded(&self, path: &str) -> String {
        let is_decoded = self.version.is_some() && !self.is_at(".lambda-url.");
        encode(path, if is_decoded { PATH } else { ENCODED_PATH })
    }

    /// A parameter without a value and one with an empty value look the same in the maps: `?q`.
    fn query(&self) -> Option<String> {
        if let Some(query) = &self.raw_query_string {
            return Some(encode(query, ENCODED_QUERY));
        }
        // A load balancer does not decode parameters, API Gateway does.
        let keep = if self.request_context.elb.is_some() { ENCODED_QUERY } else { PARAMETER };
        let mut parameters = Vec::new();
        let mut push = |name: &str, value: &str| {
            let value = encode(value, keep);
            let separator = if value.is_empty() { "" } else { "=" };
            parameters.push(format!("{}{separator}{value}", encode(name, keep)));
        };
        if let Some(multi) = &self.multi_value_query_string_parameters {
            for (name, values) in multi {
                values.iter().flatten().for_each(|value| push(name, value));
            }
        } else {
            for (name, value) in self.query_string_parameters.as_ref()? {
                push(name, value.as_deref().unwrap_or_default());
            }
        }
        Some(parameters.join("&"))
    }

    fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let mut append = |name: &str, value: &str| {
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) = header.with_context(|| format!("header {name:?} is malformed"))?;
            headers.append(name, value);
            anyhow::Ok(())
        };
        if let Some(multi) = &self.multi_value_headers {
            for (name, values) in multi {
                values.iter().flatten().try_for_each(|value| append(name, value))?;
            }
        } else {
            for (name, value) in self.headers.iter().flatten() {
                value.iter().try_for_each(|value| append(name, value))?;
            }
        }
        if let Some(cookies) = self.cookies.as_ref().filter(|cookies| !cookies.is_empty()) {
            headers.insert(COOKIE, cookies.join("; ").parse().context("a cookie is malformed")?);
        }
        Ok(headers)
    }

    fn body(&self) -> Result<Bytes> {
        let body = self.body.clone().unwrap_or_default();
        if self.is_base64_encoded {
            return Ok(STANDARD.decode(body).context("the body is not base64")?.into());
        }
        Ok(body.into())
    }
}

fn without_prefix<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Percent-encodes all bytes but letters, digits, `-._~` and those in `keep`.
fn encode(text: &str, keep: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || keep.as_bytes().contains(&byte)
        {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
