//! What the load generator sends, and which response to it is right. It knows the routes of
//! accountservice and the accounts that it is seeded with.

use std::io;

/// The first account.
pub(crate) const FIRST: u64 = 10_000;
/// The account that is asked for where it is always the same.
pub(crate) const SAME: u64 = FIRST + 42;

#[derive(Clone, Copy)]
pub(crate) enum Requests {
    /// One account, always the same.
    OneAccount,
    /// Any of this many accounts, in a random order that is the same in each run.
    Accounts(u64),
    /// One of the routes of health.
    Health(&'static str),
    /// Accounts that exist, one that does not, and `/health`, in turn.
    Mixed,
}

/// The response that is right.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Account(u64),
    NoAccount(u64),
    Healthy(&'static str),
}

impl Requests {
    /// The right response to the next request of a client.
    pub(crate) fn next(self, number: u64, random: &mut fastrand::Rng) -> Expected {
        match self {
            Self::OneAccount => Expected::Account(SAME),
            Self::Accounts(count) => Expected::Account(FIRST + random.u64(..count)),
            Self::Health(path) => Expected::Healthy(path),
            Self::Mixed => match number % 4 {
                0 => Expected::NoAccount(FIRST - 1),
                1 => Expected::Healthy("/health"),
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
            Self::Healthy(path) => path.to_owned(),
            Self::Account(id) | Self::NoAccount(id) => format!("/accounts/{id}"),
        };
        format!("GET {path} HTTP/1.1\r\nhost: loopback\r\n\r\n")
    }

    pub(crate) fn is_met_by(self, response: &Response) -> bool {
        match self {
            Self::Account(id) => response.status == 200 && is_account(id, response.body),
            Self::NoAccount(_) => response.status == 404,
            Self::Healthy(_) => response.status == 200,
        }
    }
}

/// What the load generator looks at in a response.
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    /// `Connection: close`.
    pub(crate) closes: bool,
    /// The service is not available, and says so as it should: a problem with `Retry-After: 1`.
    pub(crate) is_unavailable: bool,
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
        let status = parsed.code.unwrap_or_default();
        Ok(bytes.get(head..head + length).map(|body| Self {
            status,
            closes: header("connection") == Some("close"),
            is_unavailable: status == 503
                && header("retry-after") == Some("1")
                && header("content-type") == Some("application/problem+json"),
            body: str::from_utf8(body).unwrap_or_default(),
        }))
    }
}

/// Whether a body is that of an account which was seeded with this id.
pub(crate) fn is_account(id: u64, body: &str) -> bool {
    let parts = || {
        let (found, rest) = body.strip_prefix(r#"{"id":""#)?.split_once(r#"","name":"Person_"#)?;
        Some((found, rest.split_once(r#"","servedBy":""#)?.0))
    };
    let is_number = |text: &str, number: u64| text.parse() == Ok(number);
    parts().is_some_and(|(found, name)| is_number(found, id) && is_number(name, id - FIRST))
}
