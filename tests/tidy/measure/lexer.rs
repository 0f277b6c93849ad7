//! Splits Rust source into tokens. Comments are tokens, so that a marker inside a string literal is none.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keywords and names. A raw name has lost its `r#`.
    Word,
    Lifetime,
    /// Strings, characters and numbers.
    Literal,
    /// One character, or one of `::`, `->` and `=>`.
    Punctuation,
    /// `///` and `/** */`: documents the item that follows.
    OuterDoc,
    /// `//!` and `/*! */`: documents the item around it.
    InnerDoc,
    /// `//` and `/* */`.
    Comment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: &'static str,
    /// The line of the first character, from 1.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Punctuation) && self.text == text
    }

    pub(crate) fn is_doc(&self) -> bool {
        matches!(self.kind, Kind::OuterDoc | Kind::InnerDoc)
    }

    pub(crate) fn is_comment(&self) -> bool {
        self.is_doc() || self.kind == Kind::Comment
    }

    /// The lines that the token touches.
    pub(crate) fn lines(&self) -> std::ops::RangeInclusive<usize> {
        self.line..=self.line + self.text.matches('\n').count()
    }
}

pub(crate) fn tokens(text: &'static str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    loop {
        let trimmed = rest.trim_start();
        line += newlines(&rest[..rest.len() - trimmed.len()]);
        if trimmed.is_empty() {
            return tokens;
        }
        let (kind, length) = first(trimmed);
        let (token, after) = trimmed.split_at(length);
        let text = if kind == Kind::Word { token.trim_start_matches("r#") } else { token };
        tokens.push(Token { kind, text, line });
        line += newlines(token);
        rest = after;
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Kind and length of the token that `text` begins with.
fn first(text: &str) -> (Kind, usize) {
    if let Some(comment) = comment(text) {
        return comment;
    }
    if let Some(length) = string(text) {
        return (Kind::Literal, length);
    }
    let start = text.chars().next().expect("text");
    if start == '\'' {
        return quoted(text);
    }
    if start.is_ascii_digit() {
        return (Kind::Literal, number(text));
    }
    if is_in_word(start) {
        let raw = if text.starts_with("r#") { 2 } else { 0 };
        return (Kind::Word, raw + word(&text[raw..]));
    }
    let is_pair = ["::", "->", "=>"].iter().any(|pair| text.starts_with(pair));
    (Kind::Punctuation, if is_pair { 2 } else { start.len_utf8() })
}

fn is_in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word(text: &str) -> usize {
    text.find(|character| !is_in_word(character)).unwrap_or(text.len())
}

fn comment(text: &str) -> Option<(Kind, usize)> {
    if text.starts_with("//") {
        let length = text.find('\n').unwrap_or(text.len());
        let kind = match text.as_bytes() {
            [_, _, b'/', b'/', ..] => Kind::Comment,
            [_, _, b'/', ..] => Kind::OuterDoc,
            [_, _, b'!', ..] => Kind::InnerDoc,
            _ => Kind::Comment,
        };
        return Some((kind, length));
    }
    let kind = match text.as_bytes() {
        [b'/', b'*', b'*', b'*' | b'/', ..] => Kind::Comment,
        [b'/', b'*', b'*', ..] => Kind::OuterDoc,
        [b'/', b'*', b'!', ..] => Kind::InnerDoc,
        [b'/', b'*', ..] => Kind::Comment,
        _ => return None,
    };
    Some((kind, block(text)))
}

/// The length of a block comment, which may contain others.
fn block(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a string literal of any kind, its prefix included.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| text.starts_with(prefix)).unwrap_or_default();
    let rest = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let marks = rest.bytes().take_while(|byte| *byte == b'#').count();
        let body = rest[marks..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(marks));
        return Some(body.find(&end).map_or(text.len(), |at| prefix.len() + marks + 1 + at + end.len()));
    }
    let body = rest.strip_prefix('"')?;
    Some(prefix.len() + 1 + until_quote(body, b'"'))
}

/// The length up to an unescaped `quote`, which is included.
fn until_quote(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// A character literal or a lifetime.
fn quoted(text: &str) -> (Kind, usize) {
    let body = &text[1..];
    let mut characters = body.chars();
    let is_character = characters.next() == Some('\\') || characters.next() == Some('\'');
    if is_character { (Kind::Literal, 1 + until_quote(body, b'\'')) } else { (Kind::Lifetime, 1 + word(body)) }
}

fn number(text: &str) -> usize {
    let whole = word(text);
    let fraction = text[whole..].strip_prefix('.').filter(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
    whole + fraction.map_or(0, |rest| 1 + word(rest))
}
