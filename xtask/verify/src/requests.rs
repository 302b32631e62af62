//! What the load generator sends, and which response to it is right. It knows the routes of
//! accountservice and the accounts that it is seeded with.

use std::io;

use crate::service::FIRST;

/// The account that is asked for where it is always the same.
pub(crate) const SAME: u64 = FIRST + 42;

#[derive(Clone, Copy)]
pub(crate) enum Requests {
    /// One account, always the same.
    OneAccount,
    /// Any of this many accounts, in a random order that is the same in each run.
    Accounts(u64),
    /// Accounts that exist, one that does not, and `/health`, in turn.
    Mixed,
}

/// The response that is right.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Account(u64),
    NoAccount(u64),
    Healthy,
}

impl Requests {
    /// The right response to the next request of a client.
    pub(crate) fn next(self, number: u64, random: &mut fastrand::Rng) -> Expected {
        match self {
            Self::OneAccount => Expected::Account(SAME),
            Self::Accounts(count) => Expected::Account(FIRST + random.u64(..count)),
            Self::Mixed => match number % 4 {
                0 => Expected::NoAccount(FIRST - 1),
                1 => Expected::Healthy,
                2 => Expected::Account(FIRST),
                _ => Expected::Account(FIRST + 99),
            },
        }
    }
}

impl Expected {
    /// The request that is to be answered so.
    pub(crate) fn request(self) -> String {
        let path = match self {
            Self::Healthy => "/health".to_owned(),
            Self::Account(id) | Self::NoAccount(id) => format!("/accounts/{id}"),
        };
        format!("GET {path} HTTP/1.1\r\nhost: loopback\r\n\r\n")
    }

    pub(crate) fn is_met_by(self, response: &Response) -> bool {
        match self {
            Self::Account(id) => response.status == 200 && account_of(response.body) == Some(id),
            Self::NoAccount(_) => response.status == 404,
            Self::Healthy => response.status == 200,
        }
    }
}

/// What the load generator looks at in a response.
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    /// `Connection: close`.
    pub(crate) closes: bool,
    pub(crate) has_retry_after: bool,
    pub(crate) body: &'a str,
}

impl<'a> Response<'a> {
    /// The response that these bytes are, or None if more bytes are to come.
    pub(crate) fn parse(bytes: &'a [u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(io::Error::other)?
        else {
            return Ok(None);
        };
        let header = |name: &str| {
            let header = parsed.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
            header.map(|header| str::from_utf8(header.value).unwrap_or_default())
        };
        let length = header("content-length").map_or(Ok(0), str::parse::<usize>);
        let length = length.map_err(io::Error::other)?;
        Ok(bytes.get(head..head + length).map(|body| Self {
            status: parsed.code.unwrap_or_default(),
            closes: header("connection") == Some("close"),
            has_retry_after: header("retry-after").is_some(),
            body: str::from_utf8(body).unwrap_or_default(),
        }))
    }
}

/// The id in `{"id":"10042",...`.
fn account_of(body: &str) -> Option<u64> {
    body.strip_prefix(r#"{"id":""#)?.split('"').next()?.parse().ok()
}
