//! Strict parsers of the client's output. They share no code with the client, and accept only what the standards allow.
//!
//! `tests/survival` also uses this file, to check the same bytes at the other end of a socket.

/// The first line and the headers of an HTTP message (RFC 9112), without the empty line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) start: String,
    /// In their order. Names keep their case. Values have no white space around them.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head with its empty line. The text must end there.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
        let mut lines = text.split("\r\n");
        let start = lines.next().filter(|line| line.is_ascii() && is_field_text(line))?.to_owned();
        Some(Self { start, headers: lines.map(header).collect::<Option<_>>()? })
    }

    /// The target of a `GET` by HTTP/1.1.
    pub fn target(&self) -> Option<&str> {
        let target = self.start.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
        is_target(target).then_some(target)
    }

    /// The value of the one header with this name, in any case.
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let is_good = !name.is_empty() && name.chars().all(is_token) && is_field_text(value);
    is_good.then(|| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

/// Text without control characters. Characters beyond ASCII are allowed (`obs-text`).
fn is_field_text(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Path and query (RFC 3986) without bytes that must be percent-encoded and without invalid escapes.
pub(crate) fn is_target(target: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(c);
    target.starts_with('/') && target.chars().all(allowed) && percent_decoded(target).is_some()
}

/// The decoded bytes. `None` if an escape is invalid.
pub(crate) fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            decoded.push(*first);
        } else {
            let [high, low, after @ ..] = after else { return None };
            let digits = [*high, *low];
            let digits = std::str::from_utf8(&digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        }
    }
    Some(decoded)
}

/// The names and values of `application/x-www-form-urlencoded`, or of a query of the same shape.
pub(crate) fn form(text: &str) -> Option<Vec<(String, String)>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~*%+".contains(c);
    let decoded = |part: &str| {
        let is_encoded = part.chars().all(is_plain);
        String::from_utf8(percent_decoded(&part.replace('+', "%20")).filter(|_| is_encoded)?).ok()
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((decoded(name)?, decoded(value)?))
    };
    text.split('&').map(pair).collect()
}

/// The JSON values (RFC 8259) that the client sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Text(String),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value without white space around it.
    pub fn parse(text: &str) -> Option<Self> {
        let (value, rest) = json(text)?;
        rest.is_empty().then_some(value)
    }

    /// The value of the one member with this name.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let mut found = members.iter().filter(|(candidate, _)| candidate == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Object(_) => None,
        }
    }
}

fn json(text: &str) -> Option<(Json, &str)> {
    if let Some(rest) = text.strip_prefix('"') {
        let (text, rest) = json_text(rest)?;
        return Some((Json::Text(text), rest));
    }
    let mut rest = text.strip_prefix('{')?;
    let mut members = Vec::new();
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((Json::Object(members), rest));
    }
    loop {
        let (name, after) = json_text(rest.strip_prefix('"')?)?;
        let (value, after) = json(after.strip_prefix(':')?)?;
        members.push((name, value));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some((Json::Object(members), after.strip_prefix('}')?)),
        }
    }
}

/// The decoded text before the closing quotation mark, and the rest after it.
fn json_text(text: &str) -> Option<(String, &str)> {
    let mut decoded = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((decoded, characters.as_str())),
            '\\' => decoded.push(match characters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                c @ ('"' | '\\' | '/') => c,
                'u' => {
                    let digits = characters.as_str().get(..4)?;
                    characters = characters.as_str()[4..].chars();
                    // The client writes no surrogate pairs, because UTF-8 needs none.
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                _ => return None,
            }),
            c if c < ' ' => return None,
            c => decoded.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_and_an_injected_header_is_detected() {
        let head = Head::parse(b"GET /a?b=%20 HTTP/1.1\r\nHost: h\r\nX: \t y z \r\n\r\n").expect("a good one");
        assert_eq!((head.target(), head.only("host"), head.only("x")), (Some("/a?b=%20"), Some("h"), Some("y z")));
        assert_eq!(
            Head::parse(b"GET / HTTP/1.1\r\nX: y\r\nZ: injected\r\n\r\n").map(|head| head.headers.len()),
            Some(2)
        );
        for bad in [
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\nX: y\r\n\r\n",
            "G\0\r\n\r\n",
            "GET /ż\r\n\r\n",
            "G\r\nX y: z\r\n\r\n",
            "G\r\nX: \x07\r\n\r\n",
        ] {
            assert_eq!(Head::parse(bad.as_bytes()), None, "{bad:?}");
        }
        for bad in ["GET /a b HTTP/1.1", "GET a HTTP/1.1", "GET /ż HTTP/1.1", "GET /% HTTP/1.1", "GET /\" HTTP/1.1"] {
            assert_eq!(Head { start: bad.to_owned(), headers: Vec::new() }.target(), None, "{bad:?}");
        }
    }

    #[test]
    fn forms_and_escapes_are_decoded_strictly() {
        assert_eq!(form("a=b+c&%C5%BC=%26"), Some(vec![("a".into(), "b c".into()), ("ż".into(), "&".into())]));
        for bad in ["a", "a=b&", "a=%", "a=%4", "a=%zz", "a=%+1", "a=ż", "a=b c", "a=%FF", "a=b=c", "a=\r\n"] {
            assert_eq!(form(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn json_is_read_strictly() {
        let value = Json::parse(r#"{"a":{"b":"\"\\\u0000ż\n"},"c":{}}"#).expect("good");
        let inner = value.member("a").and_then(|a| a.member("b")).and_then(Json::text);
        assert_eq!((inner, value.member("x")), (Some("\"\\\0ż\n"), None));
        for bad in ["", "{", "{}x", "\"\n\"", "\"\\x\"", "{\"a\":1}", "\"\\u12\"", "{\"a\" :\"\"}", "{\"a\":\"\",}"] {
            assert_eq!(Json::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Json::parse(r#"{"a":"","a":""}"#).expect("JSON").member("a"), None, "two of a name are none");
    }
}
