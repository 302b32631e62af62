//! What stands between a client and a function: events and responses as AWS makes them.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The senders of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// API Gateway, HTTP API, payload 2.0.
    V2,
    /// API Gateway, REST API, payload 1.0.
    V1,
    /// A function URL.
    Url,
    /// An Application Load Balancer.
    Alb,
    /// The same with multi-value headers switched on.
    AlbMulti,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::V2, Self::V1, Self::Url, Self::Alb, Self::AlbMulti];
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "v2" => Ok(Self::V2),
            "v1" => Ok(Self::V1),
            "url" => Ok(Self::Url),
            "alb" => Ok(Self::Alb),
            "alb-multi" => Ok(Self::AlbMulti),
            _ => Err(format!("{name}: not one of v2, v1, url, alb, alb-multi")),
        }
    }
}

/// A sender of events, as it is set up.
#[derive(Clone, Debug)]
pub struct Edge {
    kind: Kind,
    /// A named stage of API Gateway, without a slash.
    stage: Option<String>,
    /// A base path on a custom domain of API Gateway, without a slash.
    base_path: Option<String>,
}

impl Edge {
    /// The default stage of an HTTP API; a REST API at the root of a custom domain.
    pub fn new(kind: Kind) -> Self {
        Self { kind, stage: None, base_path: None }
    }

    /// A named stage of API Gateway, at the API's own domain.
    #[must_use]
    pub fn stage(self, stage: impl Into<String>) -> Self {
        Self { stage: Some(stage.into()), ..self }
    }

    /// A base path on a custom domain, such as `bank`.
    #[must_use]
    pub fn base_path(self, base_path: impl Into<String>) -> Self {
        Self { base_path: Some(base_path.into()), ..self }
    }

    /// The event for a request, whose path begins behind the stage and the base path.
    pub fn event(&self, request: &Request<Bytes>) -> Value {
        match self.kind {
            Kind::V2 | Kind::Url => self.v2(request),
            Kind::V1 => self.v1(request),
            Kind::Alb | Kind::AlbMulti => self.alb(request),
        }
    }

    fn v2(&self, request: &Request<Bytes>) -> Value {
        let path = match (self.kind, &self.stage) {
            (Kind::Url, _) => request.uri().path().to_owned(),
            (_, stage) => {
                let stage = stage.as_ref().map_or_else(String::new, |stage| format!("/{stage}"));
                let decoded = percent_decode_str(request.uri().path()).decode_utf8_lossy();
                // Seen with live events: the path ends at a decoded question mark.
                stage + decoded.split('?').next().unwrap_or_default()
            }
        };
        let mut headers = Map::new();
        for name in request.headers().keys().filter(|name| **name != COOKIE) {
            headers.insert(name.to_string(), values(request, name).join(",").into());
        }
        let stage = self.stage.as_deref().unwrap_or("$default");
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": request.uri().query().unwrap_or_default(),
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api",
                "domainName": self.domain(),
                "http": {
                    "method": request.method().as_str(),
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                },
                "requestId": "request",
                "routeKey": "$default",
                "stage": stage,
            },
        });
        let cookies: Vec<_> = values(request, &COOKIE);
        if !cookies.is_empty() {
            let cookies = cookies.iter().flat_map(|line| line.split("; "));
            event["cookies"] = cookies.collect::<Value>();
        }
        if !request.body().is_empty() {
            event["body"] = body(request).0.into();
        }
        event["isBase64Encoded"] = body(request).1.into();
        event
    }

    fn v1(&self, request: &Request<Bytes>) -> Value {
        let path = request.uri().path();
        let base_path = self.base_path.as_ref().map_or_else(String::new, |path| format!("/{path}"));
        let stage = self.stage.as_ref().map_or_else(String::new, |stage| format!("/{stage}"));
        let path = format!("{base_path}{path}");
        let parameters =
            parameters(request, |text| percent_decode_str(text).decode_utf8_lossy().into_owned());
        json!({
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": request.method().as_str(),
            "headers": last_values(headers(request)),
            "multiValueHeaders": headers(request),
            "queryStringParameters": parameters.clone().map(last_values),
            "multiValueQueryStringParameters": parameters,
            "pathParameters": { "proxy": path.trim_start_matches('/') },
            "stageVariables": null,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api",
                "domainName": self.domain(),
                "httpMethod": request.method().as_str(),
                "path": format!("{stage}{path}"),
                "protocol": "HTTP/1.1",
                "requestId": "request",
                "resourcePath": "/{proxy+}",
                "stage": self.stage.as_deref().unwrap_or("live"),
            },
            "body": if request.body().is_empty() { None } else { Some(body(request).0) },
            "isBase64Encoded": body(request).1,
        })
    }

    fn alb(&self, request: &Request<Bytes>) -> Value {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/accounts/0";
        let parameters = parameters(request, str::to_owned).unwrap_or_default();
        let mut event = json!({
            "requestContext": { "elb": { "targetGroupArn": arn } },
            "httpMethod": request.method().as_str(),
            "path": request.uri().path(),
            "body": body(request).0,
            "isBase64Encoded": body(request).1,
        });
        if self.kind == Kind::AlbMulti {
            event["multiValueHeaders"] = headers(request).into();
            event["multiValueQueryStringParameters"] = parameters.into();
        } else {
            event["headers"] = last_values(headers(request));
            event["queryStringParameters"] = last_values(parameters);
        }
        event
    }

    fn domain(&self) -> &'static str {
        match (self.kind, &self.stage, &self.base_path) {
            (Kind::Url, ..) => "id.lambda-url.eu-west-1.on.aws",
            (Kind::V1, None, _) | (_, _, Some(_)) => "api.example.com",
            _ => "id.execute-api.eu-west-1.amazonaws.com",
        }
    }

    /// The response that a client gets for what the function has returned: 502 if that makes no
    /// sense.
    pub fn response(&self, returned: &Value) -> Response<Bytes> {
        self.try_response(returned).unwrap_or_else(|| {
            let mut response = Response::new(Bytes::from(format!("malformed: {returned}")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }

    fn try_response(&self, returned: &Value) -> Option<Response<Bytes>> {
        let mut response = Response::new(Bytes::new());
        let status = u16::try_from(returned["statusCode"].as_u64()?).ok()?;
        *response.status_mut() = StatusCode::from_u16(status).ok()?;
        let mut append = |name: &str, value: &Value| {
            let name = HeaderName::from_str(name).ok()?;
            response.headers_mut().append(name, HeaderValue::from_str(value.as_str()?).ok()?);
            Some(())
        };
        if self.kind != Kind::AlbMulti {
            for (name, value) in returned["headers"].as_object().into_iter().flatten() {
                append(name, value)?;
            }
        }
        if matches!(self.kind, Kind::V1 | Kind::AlbMulti) {
            for (name, values) in returned["multiValueHeaders"].as_object().into_iter().flatten() {
                values.as_array()?.iter().try_for_each(|value| append(name, value))?;
            }
        }
        if matches!(self.kind, Kind::V2 | Kind::Url) {
            let cookies = returned["cookies"].as_array().into_iter().flatten();
            cookies.into_iter().try_for_each(|cookie| append("set-cookie", cookie))?;
        }
        let body = returned["body"].as_str().unwrap_or_default();
        *response.body_mut() = match returned["isBase64Encoded"].as_bool() {
            Some(true) => STANDARD.decode(body).ok()?.into(),
            _ => body.to_owned().into(),
        };
        Some(response)
    }
}

/// All values of a header.
fn values<'a>(request: &'a Request<Bytes>, name: &HeaderName) -> Vec<&'a str> {
    request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

/// All headers, each with all of its values.
fn headers(request: &Request<Bytes>) -> Map<String, Value> {
    let names = request.headers().keys();
    names.map(|name| (name.to_string(), values(request, name).into())).collect()
}

/// All parameters of the query, each with all of its values; `None` without a query.
fn parameters(
    request: &Request<Bytes>,
    decode: impl Fn(&str) -> String,
) -> Option<Map<String, Value>> {
    let query = request.uri().query().filter(|query| !query.is_empty())?;
    let mut parameters = Map::new();
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let values = parameters.entry(decode(name)).or_insert_with(|| json!([]));
        values.as_array_mut()?.push(decode(value).into());
    }
    Some(parameters)
}

fn last_values(map: Map<String, Value>) -> Value {
    let last = |values: Value| values.as_array().and_then(|values| values.last()).cloned();
    map.into_iter().map(|(name, values)| (name, last(values))).collect()
}

/// The body and whether it is in base64, which is so for everything that is not text or JSON.
fn body(request: &Request<Bytes>) -> (String, bool) {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_text = content_type
        .is_some_and(|value| value.starts_with("text/") || value.starts_with("application/json"));
    match str::from_utf8(request.body()) {
        Ok(text) if is_text || text.is_empty() => (text.to_owned(), false),
        _ => (STANDARD.encode(request.body()), true),
    }
}
