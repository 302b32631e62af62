//! A strict reader of answers: whatever is not a whole, clean answer is an error.

/// One final answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The only fields that this service sends: any other one has been injected.
const FIELDS: [&str; 9] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "location",
    "retry-after",
    "x-request-id",
];

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Takes apart all answers of a connection that has ended. The one with the number `bodiless` is to
/// a HEAD.
pub(crate) fn parse(mut bytes: &[u8], bodiless: Option<usize>) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (answer, rest) = parse_one(bytes, bodiless == Some(answers.len()))?;
        // An interim answer, RFC 9110, section 15.2, is none that is due.
        if answer.status >= 200 {
            answers.push(answer);
        } else if !answer.fields.is_empty() {
            return Err(format!("an interim answer with fields: {answer:?}"));
        }
        bytes = rest;
    }
    Ok(answers)
}

/// Takes off the first answer, and says what is left.
pub(crate) fn parse_one(bytes: &[u8], bodiless: bool) -> Result<(Answer, &[u8]), String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| format!("no end of a head in {:?}", bytes.escape_ascii()))?;
    let (head, rest) = (&bytes[..end], &bytes[end + 4..]);
    let head = str::from_utf8(head).map_err(|error| format!("a head of {error}"))?;
    let mut lines = head.split("\r\n");
    let status = status(lines.next().unwrap_or_default())
        .ok_or_else(|| format!("a broken status line in {head:?}"))?;
    let fields: Option<Vec<_>> = lines.map(field).collect();
    let fields = fields.ok_or_else(|| format!("a broken field in {head:?}"))?;
    for (at, (name, _)) in fields.iter().enumerate() {
        if !FIELDS.contains(&name.as_str()) {
            return Err(format!("{name} is not ours"));
        }
        if fields[..at].iter().any(|(other, _)| other == name) {
            return Err(format!("two of {name}"));
        }
    }
    let mut answer = Answer { status, fields, body: String::new() };
    let id = answer.field("x-request-id").unwrap_or("none");
    if id.is_empty() || id.len() > 128 || id.contains(' ') {
        return Err(format!("the request id {id:?}"));
    }
    if status < 200 {
        return Ok((answer, rest));
    }
    let length = answer.field("content-length").ok_or("no Content-Length")?;
    let length = length.parse().map_err(|error| format!("{length:?} is a length of {error}"))?;
    let length = if bodiless { 0 } else { length };
    let (body, rest) = rest.split_at_checked(length).ok_or("a body that is cut short")?;
    let body = str::from_utf8(body).map_err(|error| format!("a body of {error}"))?;
    answer.body.push_str(body);
    if !answer.body.is_empty() {
        let json: Result<serde_json::Value, _> = serde_json::from_str(&answer.body);
        json.map_err(|error| format!("a body that is no JSON: {error}"))?;
    }
    Ok((answer, rest))
}

fn status(line: &str) -> Option<u16> {
    // To a request of HTTP/1.0 hyper answers in kind.
    let line = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "))?;
    let (digits, reason) = line.split_once(' ')?;
    let clean = reason.bytes().all(|byte| byte == b' ' || byte.is_ascii_alphabetic());
    let digits = Some(digits).filter(|digits| clean && digits.len() == 3);
    digits?.parse().ok().filter(|status| (100..600).contains(status))
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ")?;
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
    let is_value = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    (!name.is_empty() && name.bytes().all(is_name) && value.bytes().all(is_value))
        .then(|| (name.to_ascii_lowercase(), value.to_owned()))
}
