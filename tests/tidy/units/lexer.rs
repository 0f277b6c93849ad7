use crate::measure::lexer::{
    Kind::{self, Comment, InnerDoc, Lifetime, Literal, OuterDoc, Punctuation, Word},
    tokens,
};

fn lexed(text: &'static str) -> Vec<(Kind, &'static str)> {
    tokens(text).iter().map(|token| (token.kind, token.text)).collect()
}

#[test]
fn a_comment_marker_in_a_literal_is_no_comment() {
    let code = r###"a("https://x", '"', b"//\"", r#"/* " */"#) // b"###;
    let literals: Vec<_> = lexed(code).into_iter().filter(|(kind, _)| [Literal, Comment].contains(kind)).collect();
    let expected = [
        (Literal, "\"https://x\""),
        (Literal, "'\"'"),
        (Literal, "b\"//\\\"\""),
        (Literal, "r#\"/* \" */\"#"),
        (Comment, "// b"),
    ];
    assert_eq!(literals, expected);
}

#[test]
fn docs_and_comments_are_told_apart() {
    assert_eq!(lexed("/// a"), [(OuterDoc, "/// a")]);
    assert_eq!(lexed("//! a"), [(InnerDoc, "//! a")]);
    assert_eq!(lexed("// a\n//// b"), [(Comment, "// a"), (Comment, "//// b")]);
    assert_eq!(lexed("/** a */ /*! b */"), [(OuterDoc, "/** a */"), (InnerDoc, "/*! b */")]);
    assert_eq!(lexed("/**/ /*** a */ /* b */"), [(Comment, "/**/"), (Comment, "/*** a */"), (Comment, "/* b */")]);
}

#[test]
fn block_comments_nest() {
    assert_eq!(lexed("/* a /* b */ c */ d"), [(Comment, "/* a /* b */ c */"), (Word, "d")]);
}

#[test]
fn lifetimes_are_no_characters() {
    let expected = [(Lifetime, "'a"), (Literal, "'a'"), (Literal, "'\\''"), (Literal, "'\u{e9}'"), (Lifetime, "'_")];
    assert_eq!(lexed("'a 'a' '\\'' '\u{e9}' '_"), expected);
}

#[test]
fn paths_ranges_and_raw_names_are_split() {
    let path = [(Word, "r"), (Punctuation, "::"), (Word, "type"), (Punctuation, "->"), (Word, "crate")];
    assert_eq!(lexed("r::r#type->crate"), path);
    let range = [(Literal, "0"), (Punctuation, "."), (Punctuation, "."), (Literal, "1.5f64")];
    assert_eq!(lexed("0..1.5f64"), range);
}

#[test]
fn tokens_know_their_lines() {
    let tokens = tokens("a\n\n\"b\nc\" d\n/*\n*/ e");
    let lines: Vec<_> = tokens.iter().map(|token| token.lines()).collect();
    assert_eq!(lines, [1..=1, 3..=4, 4..=4, 5..=6, 6..=6]);
}
