//! The account and its id, without the attributes of any store or format.
//!
//! An [`AccountId`] is parsed once, at the edge. Routes and stores take it as it is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrayvec::ArrayString;

/// An account, as every store returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The key of the account.
    pub id: AccountId,
    /// The name of its owner: any string, also an empty one. Shared, so that a store that caches
    /// accounts need not copy it.
    pub name: Arc<str>,
}

/// The id of an account: 1 to 64 bytes of UTF-8, checked when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(ArrayString<{ AccountId::MAX_LEN }>);

impl AccountId {
    /// The length of the longest id, in bytes of UTF-8.
    pub const MAX_LEN: usize = 64;

    /// Takes `id` as it is, without decoding.
    pub fn new(id: impl AsRef<str>) -> Result<Self, AccountIdError> {
        match id.as_ref() {
            "" => Err(AccountIdError::Empty),
            id => ArrayString::from(id).map(Self).map_err(|_| AccountIdError::TooLong),
        }
    }

    /// Parses one segment of a URI path, percent-encoded as in RFC 3986, section 2.1.
    ///
    /// `%2F` is a slash within the id and no separator.
    pub fn parse(segment: &str) -> Result<Self, AccountIdError> {
        let id = decode_segment(segment).ok_or(AccountIdError::Malformed)?;
        Self::new(id)
    }

    /// The id itself, decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason why a text is not an account id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountIdError {
    /// It has no byte.
    Empty,
    /// It has more than [`AccountId::MAX_LEN`] bytes.
    TooLong,
    /// It is not percent-encoded UTF-8.
    Malformed,
}

impl fmt::Display for AccountIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an account id has at least 1 byte"),
            Self::TooLong => write!(f, "an account id has at most {} bytes", AccountId::MAX_LEN),
            Self::Malformed => {
                f.write_str("an account id is one path segment of percent-encoded UTF-8")
            }
        }
    }
}

impl std::error::Error for AccountIdError {}

/// Decodes one path segment; `None` if a `%` lacks its two hexadecimal digits or the bytes are not
/// UTF-8. A `+` is a plus: it stands for a blank in forms, not in paths.
pub(crate) fn decode_segment(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}
