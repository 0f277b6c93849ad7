use crate::measure::{
    figures::COMMENTS,
    lexer::{Kind, tokens},
    sentences::{REFUSED, Sentence, of_comments, of_markdown},
};

fn texts(sentences: Vec<Sentence>) -> Vec<String> {
    sentences.into_iter().map(|sentence| sentence.text).collect()
}

fn commented(code: &'static str) -> Vec<String> {
    texts(of_comments(&tokens(code), &COMMENTS))
}

#[test]
fn a_sentence_goes_over_lines_and_ends_with_its_block() {
    assert_eq!(
        commented("/// One, e.g. this,\n/// or that. `Two`\n/// follows."),
        ["One, e.g. this, or that.", "`Two` follows."]
    );
    assert_eq!(commented("// One\n\n// Two\nlet a; // Three\n// Four"), ["One", "Two", "Three", "Four"]);
    assert_eq!(commented("//! One\n/// Two\n// Three"), ["One", "Two", "Three"]);
}

#[test]
fn only_the_wanted_comments_are_read() {
    let tokens = tokens("/// One.\n// Two.\n\"// Three.\"");
    assert_eq!(texts(of_comments(&tokens, &[Kind::OuterDoc])), ["One."]);
}

#[test]
fn code_tables_headings_and_links_have_no_sentences() {
    let page = "# What it is\n\nOne.\n\n```text\nWhat.\n```\n\n    What.\n    What.\n\n| What |\n|---|\n\n[a]: b\n<!--\nWhat.\n-->\nTwo.";
    assert_eq!(texts(of_markdown(page)), ["One.", "Two."]);
}

#[test]
fn an_item_of_a_list_begins_a_sentence() {
    assert_eq!(
        texts(of_markdown("One:\n* Two\n  goes on\n- **Three.** Four\n12. Five\n\n    Six")),
        ["One:", "Two goes on", "Three.", "Four", "Five", "Six"]
    );
}

#[test]
fn decoration_of_c_comments_is_no_bullet() {
    assert_eq!(commented("/*\n * One\n * goes on.\n *\n *     code();\n *\n * Two.\n */"), ["One goes on.", "Two."]);
}

#[test]
fn a_sentence_knows_its_line() {
    let lines: Vec<_> = of_markdown("\nOne. Two\nthree. Four").into_iter().map(|sentence| sentence.line).collect();
    assert_eq!(lines, [2, 2, 3]);
}

#[test]
fn questions_may_begin_with_a_question_word() {
    let is_refused = |text: &str| Sentence { line: 1, text: text.to_owned() }.begins_with_any(&REFUSED);
    assert!(is_refused("What the session counts."));
    assert!(is_refused("Who answers"));
    assert!(!is_refused("What survives?"));
    assert!(!is_refused("Whole frames."));
}

#[test]
fn marks_before_the_first_word_are_left_out() {
    assert_eq!(
        texts(of_markdown("**What it is.** (What.) \"Whoever\" comes.")),
        ["What it is.", "What.", "Whoever\" comes."]
    );
}
