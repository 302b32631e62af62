//! A reader of one HTTP/1 answer, fed with bytes as they come.
//!
//! It finds out the status and where the answer ends (RFC 9112), keeps the beginning of the body
//! for the report, and checks everything it relies on. It does no I/O and knows no clock, its
//! verdict does not depend on how the bytes are cut into pieces, and it holds no more than one
//! line and one excerpt. It deliberately does not decode contents or give access to fields.

/// The most bytes of all heads together, interim answers included.
pub const HEAD_LIMIT: usize = 16 * 1024;
/// The most bytes of the whole answer, heads included.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// How many bytes are kept for the report; a line holds fewer.
pub const EXCERPT_LIMIT: usize = 256;

const PREFIX: &[u8] = b"HTTP/1.";

/// Why an answer cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the grammar or the framing rules of RFC 9112, in the way named.
    Malformed(&'static str),
    /// Its head is longer than [`HEAD_LIMIT`].
    HeadTooLarge,
    /// It is longer than [`ANSWER_LIMIT`], or says that it will be.
    AnswerTooLarge,
    /// The connection ended before the first byte.
    Empty,
    /// The connection ended before the answer did.
    CutShort,
}

/// An answer that is being read.
#[derive(Debug, Default)]
pub struct Answer {
    state: State,
    /// The line that has not come to its end yet.
    line: Vec<u8>,
    excerpt: Vec<u8>,
    taken: usize,
    status: Option<u16>,
    framing: Framing,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    StatusLine,
    Fields,
    /// Body bytes to come, by Content-Length.
    Sized(usize),
    /// The body ends with the connection.
    ToClose,
    ChunkSize,
    /// Bytes to come of this chunk.
    Chunk(usize),
    ChunkEnd,
    Trailers,
    Complete,
}

/// What the fields of one head say about the end of the body.
#[derive(Debug, Default)]
struct Framing {
    status: u16,
    http_1_0: bool,
    length: Option<usize>,
    chunked: bool,
    /// Whether the next line may continue the last field.
    may_fold: bool,
}

impl Answer {
    /// Takes the next bytes. `Ok(true)` means that the answer is complete; whatever follows it is
    /// ignored (RFC 9112, section 6.3). After a [`Fault`] there is no point in going on.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, Fault> {
        while self.state != State::Complete && !bytes.is_empty() {
            let in_head = matches!(self.state, State::StatusLine | State::Fields);
            let limit = if in_head { HEAD_LIMIT } else { ANSWER_LIMIT };
            let room = limit.saturating_sub(self.taken);
            if room == 0 {
                return Err(if in_head { Fault::HeadTooLarge } else { Fault::AnswerTooLarge });
            }
            let window = bytes.get(..room).unwrap_or(bytes);
            let used = match self.state {
                State::Sized(left) | State::Chunk(left) => self.take_body(window, left),
                State::ToClose => self.take_body(window, usize::MAX),
                _ => self.take_line(window)?,
            };
            self.taken += used;
            bytes = bytes.get(used..).unwrap_or_default();
            self.settle()?;
        }
        Ok(self.state == State::Complete)
    }

    /// The connection has ended: says whether the answer had.
    pub fn end(&self) -> Result<(), Fault> {
        match self.state {
            State::Complete | State::ToClose => Ok(()),
            _ if self.taken == 0 => Err(Fault::Empty),
            _ => Err(Fault::CutShort),
        }
    }

    /// The status of the final answer, 101 or 200 to 599, as soon as its line has come.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// The first bytes of the body, or those that came in place of a status line; at most
    /// [`EXCERPT_LIMIT`], and not to be trusted.
    pub fn into_excerpt(self) -> Vec<u8> {
        self.excerpt
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = EXCERPT_LIMIT.saturating_sub(self.excerpt.len());
        self.excerpt.extend(bytes.iter().take(room));
    }

    fn take_body(&mut self, window: &[u8], left: usize) -> usize {
        let body = window.get(..left).unwrap_or(window);
        self.keep(body);
        match &mut self.state {
            State::Sized(left) | State::Chunk(left) => *left -= body.len(),
            _ => {}
        }
        body.len()
    }

    /// Takes bytes up to the end of the line, and the line itself once it is whole.
    fn take_line(&mut self, window: &[u8]) -> Result<usize, Fault> {
        let end = window.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(window.len(), |end| end + 1);
        self.line.extend(window.iter().take(used));
        if self.state == State::StatusLine {
            self.turn_down_what_is_not_http()?;
        }
        if self.state == State::ChunkEnd
            && !matches!(self.line[..], [b'\n' | b'\r'] | [b'\r', b'\n'])
        {
            return Err(Fault::Malformed("a chunk is longer than it says"));
        }
        if end.is_some() {
            let whole = std::mem::take(&mut self.line);
            let line = whole.strip_suffix(b"\n").unwrap_or(&whole);
            // RFC 9112, section 2.2: a lone LF ends a line too, a lone CR is invalid.
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
                return Err(Fault::Malformed("a bare CR or NUL in a line"));
            }
            self.take_whole_line(line)?;
        }
        Ok(used)
    }

    /// Servers of other protocols may send a few bytes and then wait: they are told apart by the
    /// first wrong byte, not when the deadline ends.
    fn turn_down_what_is_not_http(&mut self) -> Result<(), Fault> {
        if self.line.iter().zip(PREFIX).all(|(is, should)| is == should) {
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        self.keep(&line);
        Err(Fault::Malformed("no HTTP/1 status line"))
    }

    fn take_whole_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.state = match self.state {
            State::StatusLine => {
                let Some((status, http_1_0)) = status_line(line) else {
                    self.keep(line);
                    return Err(Fault::Malformed("a broken status line"));
                };
                self.framing = Framing { status, http_1_0, ..Framing::default() };
                if !self.framing.is_interim() {
                    self.status = Some(status);
                }
                State::Fields
            }
            State::Fields if line.is_empty() => self.framing.body()?,
            State::Fields => {
                self.framing.take_field(line)?;
                State::Fields
            }
            State::ChunkSize => match chunk_size(line)? {
                0 => State::Trailers,
                size => State::Chunk(size),
            },
            State::ChunkEnd => State::ChunkSize,
            State::Trailers if line.is_empty() => State::Complete,
            other => other,
        };
        Ok(())
    }

    /// Moves on where a part has just come to its end without another byte.
    fn settle(&mut self) -> Result<(), Fault> {
        match self.state {
            State::Sized(0) => self.state = State::Complete,
            State::Chunk(0) => self.state = State::ChunkEnd,
            // What can never fit is turned down at once.
            State::Sized(left) | State::Chunk(left) if left > ANSWER_LIMIT - self.taken => {
                return Err(Fault::AnswerTooLarge);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Framing {
    /// RFC 9110, section 15.2: any number of interim answers may come first. After 101 the
    /// connection would speak another protocol, so for a probe that is final.
    fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// RFC 9112, section 5. The names that decide where the body ends must be beyond doubt.
    fn take_field(&mut self, line: &[u8]) -> Result<(), Fault> {
        if matches!(line, [b' ' | b'\t', ..]) {
            // Section 5.2: a continuation counts as a space. It cannot change the framing, unless
            // it continues one of the fields that say it.
            return if self.may_fold { Ok(()) } else { Err(Fault::Malformed("a misplaced fold")) };
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(0));
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(Fault::Malformed("a broken header line"));
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        self.may_fold = false;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10).ok_or(Fault::Malformed("a broken Content-Length"))?;
            if self.length.replace(length).is_some() {
                return Err(Fault::Malformed("more than one Content-Length"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // The request has no TE field, so nothing but chunked, once, is allowed.
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Malformed("a Transfer-Encoding other than chunked"));
            }
            self.chunked = true;
        } else {
            self.may_fold = true;
        }
        Ok(())
    }

    /// The end of the head: RFC 9112, section 6.3, decides how the body ends.
    fn body(&self) -> Result<State, Fault> {
        if self.chunked && (self.http_1_0 || self.length.is_some()) {
            return Err(Fault::Malformed("Transfer-Encoding with Content-Length or HTTP/1.0"));
        }
        Ok(match (self.status, self.length) {
            _ if self.is_interim() => State::StatusLine,
            (101 | 204 | 304, _) => State::Complete,
            _ if self.chunked => State::ChunkSize,
            (_, Some(length)) => State::Sized(length),
            (_, None) => State::ToClose,
        })
    }
}

/// RFC 9112, section 4: the status, and whether it is of HTTP/1.0. The reason phrase means
/// nothing, and a missing space before an empty one is common.
fn status_line(line: &[u8]) -> Option<(u16, bool)> {
    let [minor, b' ', status @ ..] = line.strip_prefix(PREFIX)? else {
        return None;
    };
    let digits = status.get(..3)?;
    if !minor.is_ascii_digit() || !matches!(status.get(3), None | Some(b' ')) {
        return None;
    }
    let status = u16::try_from(number(digits, 10)?).ok()?;
    (100..=599).contains(&status).then_some((status, *minor == b'0'))
}

/// RFC 9112, section 7.1; extensions are ignored.
fn chunk_size(line: &[u8]) -> Result<usize, Fault> {
    let end = line.iter().position(|&byte| byte == b';').unwrap_or(line.len());
    let size = line.get(..end).unwrap_or(line).trim_ascii_end();
    number(size, 16).ok_or(Fault::Malformed("a broken chunk size"))
}

/// A number of digits only. One too large to hold is as good as the largest one: both are over
/// every limit.
fn number(digits: &[u8], radix: u32) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        Some(number.saturating_mul(radix as usize).saturating_add(digit as usize))
    })
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
