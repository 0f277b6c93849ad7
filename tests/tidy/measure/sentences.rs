//! Sentences of comments and of Markdown pages. Code, tables, headings and HTML are left out.

use super::lexer::{Kind, Token};

/// The openings that no sentence may have, because its subject is then a clause in place of a noun. A question may have
/// them. `Whether` is allowed: it describes a value of yes or no. So is `Of` before several things: "Of two handlers, the
/// first one runs."
pub(crate) const HEADLESS: [&str; 13] = [
    "What ",
    "Whatever ",
    "Who ",
    "Whoever ",
    "Whose ",
    "That which ",
    "That it is ",
    "Those who ",
    "Those that ",
    "One who ",
    "Of a ",
    "Of an ",
    "So many ",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
    /// On one line, without the marks that stand before its first word.
    pub(crate) text: String,
}

impl Sentence {
    pub(crate) fn begins_with_any(&self, openings: &[&str]) -> bool {
        !self.text.ends_with('?') && openings.iter().any(|opening| self.text.starts_with(opening))
    }
}

/// The sentences of those comments among the tokens that are of a kind in `kinds`.
pub(crate) fn of_comments(tokens: &[Token], kinds: &[Kind]) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut block: Vec<Line> = Vec::new();
    let mut last: Option<Token> = None;
    let mut last_stands_alone = false;
    for token in tokens {
        let stands_alone = last.is_none_or(|last| *last.lines().end() < token.line);
        let is_next = last.is_some_and(|last| last.kind == token.kind && *last.lines().end() + 1 == token.line);
        if !(is_next && last_stands_alone) {
            sentences.extend(of_lines(&std::mem::take(&mut block)));
        }
        if kinds.contains(&token.kind) {
            block.extend(comment_lines(token));
        }
        last = Some(*token);
        last_stands_alone = stands_alone;
    }
    sentences.extend(of_lines(&block));
    sentences
}

pub(crate) fn of_markdown(text: &'static str) -> Vec<Sentence> {
    let lines: Vec<_> = text.lines().enumerate().map(|(index, text)| Line { number: index + 1, text }).collect();
    of_lines(&lines)
}

/// The sentences of comments, each given by its lines.
pub(crate) fn of_blocks(comments: &[Vec<Line>]) -> Vec<Sentence> {
    comments.iter().flat_map(|lines| of_lines(lines)).collect()
}

/// A line of a page, or of a comment without its marks.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: &'static str,
}

/// The text of a comment by line, without its marks.
fn comment_lines(token: &Token) -> Vec<Line> {
    if token.text.starts_with("//") {
        let text = token.text.trim_start_matches(['/', '!']);
        return vec![Line { number: token.line, text: text.strip_prefix(' ').unwrap_or(text) }];
    }
    let text = token.text.strip_suffix("*/").unwrap_or(token.text).trim_start_matches(['/', '*', '!']);
    let undecorated = text.lines().map(|line| {
        let line = line.trim_start();
        let text = line.strip_prefix('*').unwrap_or(line);
        text.strip_prefix(' ').unwrap_or(text)
    });
    undecorated.enumerate().map(|(index, text)| Line { number: token.line + index, text }).collect()
}

fn of_lines(lines: &[Line]) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut paragraph: Vec<Line> = Vec::new();
    let mut context = Context::default();
    for line in lines {
        let class = context.class(line.text);
        if class != Class::Text {
            sentences.extend(of_paragraph(&std::mem::take(&mut paragraph)));
        }
        match class {
            Class::Text => paragraph.push(*line),
            Class::Item(text) => paragraph.push(Line { number: line.number, text }),
            Class::Other => {}
        }
    }
    sentences.extend(of_paragraph(&paragraph));
    sentences
}

#[derive(PartialEq, Eq)]
enum Class {
    /// Goes on with the paragraph.
    Text,
    /// Begins an item of a list. Its text follows the bullet.
    Item(&'static str),
    /// An empty line, or one without sentences.
    Other,
}

/// The kind of block that the lines before belong to.
#[derive(Default)]
struct Context {
    is_fenced: bool,
    is_in_html: bool,
    is_in_list: bool,
    /// The last line was empty, or was indented code.
    may_be_code: bool,
}

impl Context {
    fn class(&mut self, line: &'static str) -> Class {
        let text = line.trim();
        let is_fence = text.starts_with("```") || text.starts_with("~~~");
        if is_fence || self.is_fenced {
            self.is_fenced ^= is_fence;
            return Class::Other;
        }
        if self.is_in_html || text.starts_with("<!--") {
            self.is_in_html = !text.contains("-->");
            return Class::Other;
        }
        if line.starts_with("    ") && self.may_be_code && !self.is_in_list {
            return Class::Other;
        }
        self.may_be_code = text.is_empty();
        let item = item(text);
        self.is_in_list = item.is_some() || self.is_in_list && (text.is_empty() || line.starts_with(' '));
        let has_no_sentence = text.is_empty() || ["#", "|", "[!["].iter().any(|mark| text.starts_with(mark));
        match item {
            Some(text) => Class::Item(text),
            None if has_no_sentence || is_link_definition(text) => Class::Other,
            None => Class::Text,
        }
    }
}

/// The text after a bullet or a number.
fn item(text: &'static str) -> Option<&'static str> {
    let bullet = ["* ", "- ", "+ "].iter().find_map(|bullet| text.strip_prefix(bullet));
    let numbered = || text.trim_start_matches(|digit: char| digit.is_ascii_digit()).strip_prefix(". ");
    bullet.or_else(|| numbered().filter(|_| text.starts_with(|first: char| first.is_ascii_digit())))
}

fn is_link_definition(text: &str) -> bool {
    text.starts_with('[')
        && text.split_once("]:").is_some_and(|(label, _)| !label.contains(' ') || label.ends_with('`'))
}

fn of_paragraph(lines: &[Line]) -> Vec<Sentence> {
    let words = lines.iter().flat_map(|line| line.text.split_whitespace().map(|word| (line.number, word)));
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut is_complete = true;
    for (line, word) in words {
        if is_complete && begins_sentence(word) {
            sentences.push(Sentence { line, text: word.trim_start_matches(OPENING_MARKS).to_owned() });
        } else if let Some(sentence) = sentences.last_mut() {
            sentence.text.push(' ');
            sentence.text.push_str(word);
        } else {
            sentences.push(Sentence { line, text: word.trim_start_matches(OPENING_MARKS).to_owned() });
        }
        is_complete = word.trim_end_matches(CLOSING_MARKS).ends_with(['.', '!', '?']);
    }
    for sentence in &mut sentences {
        sentence.text.truncate(sentence.text.trim_end_matches(CLOSING_MARKS).len());
    }
    sentences
}

/// Marks before the first letter of a sentence. A backtick is part of the word: it begins a name.
const OPENING_MARKS: [char; 6] = ['*', '_', '"', '(', '[', '\u{201c}'];
const CLOSING_MARKS: [char; 6] = ['*', '_', '"', ')', ']', '\u{201d}'];

/// A word after a full stop begins a sentence, unless it is in lower case, as after an abbreviation.
fn begins_sentence(word: &str) -> bool {
    word.trim_start_matches(OPENING_MARKS).starts_with(|first: char| !first.is_lowercase())
}
