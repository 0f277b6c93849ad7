//! Every rule that the repository cites stands in `docs/behaviour.md`, and each rule there has a test.

use std::{collections::BTreeSet, sync::LazyLock};

use crate::{
    measure::{lexer::Kind, sources::read},
    repository::{File, files, root},
};

use super::prose::functions;

/// The letters of the sections of `docs/behaviour.md`: `C` of `## C: Connecting`.
static LETTERS: LazyLock<BTreeSet<char>> = LazyLock::new(|| letters(&read(&root().join(BEHAVIOUR))));

const BEHAVIOUR: &str = "docs/behaviour.md";

/// Words of the form of a rule that are none.
const NO_RULES: [&str; 1] = [
    // The standard of C.
    "C99",
];

#[test]
fn every_rule_that_is_cited_exists() {
    let rules = defined(&read(&root().join(BEHAVIOUR)));
    assert!(rules.len() > 50, "the rules were found");
    let cited: Vec<_> = files().iter().flat_map(|file| cited(file).into_iter().map(|rule| (file.path, rule))).collect();
    assert!(cited.len() > 500, "the citations were found");
    let unknown: BTreeSet<_> = cited.into_iter().filter(|(_, rule)| !rules.contains(rule)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn every_rule_has_a_test_that_names_it() {
    let is_rust = |file: &&File| file.script_comments().is_none() && !file.is_markdown();
    let tested: BTreeSet<_> = files()
        .iter()
        .filter(is_rust)
        .flat_map(|file| functions(file.tokens()).into_iter().filter_map(|name| rule_of(name.text)))
        .collect();
    let rules = defined(&read(&root().join(BEHAVIOUR)));
    let untested: Vec<_> = rules.difference(&tested).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

/// The letters in the titles of a page's sections.
fn letters(page: &str) -> BTreeSet<char> {
    let titles = page.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(": "));
    titles.filter_map(|(letter, _)| letter.parse().ok()).collect()
}

/// The rules that a page defines, each in bold at the beginning of a line.
fn defined(page: &str) -> BTreeSet<String> {
    let titles = page.lines().filter_map(|line| line.strip_prefix("**")?.split_once(':'));
    titles.map(|(rule, _)| rule.to_owned()).filter(|rule| is_rule(rule)).collect()
}

/// The rules in comments, in names of functions, and at the beginning of messages.
fn cited(file: &File) -> BTreeSet<String> {
    if file.is_markdown() {
        return rules_in(file.text);
    }
    if let Some(comments) = file.script_comments() {
        return comments.iter().flatten().flat_map(|line| rules_in(line.text)).collect();
    }
    let tokens = file.tokens();
    let comments = tokens.iter().filter(|token| token.is_comment()).flat_map(|comment| rules_in(comment.text));
    let names = functions(tokens).into_iter().filter_map(|name| rule_of(name.text));
    let literals = tokens.iter().filter(|token| token.kind == Kind::Literal);
    let messages = literals.filter_map(|literal| literal.text.trim_start_matches('"').split_once(": "));
    let messages = messages.map(|(rule, _)| rule.to_owned()).filter(|rule| is_rule(rule));
    comments.chain(names).chain(messages).collect()
}

fn rules_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '_' && character != '%');
    words.filter(|word| is_rule(word) && !NO_RULES.contains(word)).map(str::to_owned).collect()
}

/// A letter and a number of one or two digits.
fn is_rule(word: &str) -> bool {
    let mut characters = word.chars();
    let has_letter = characters.next().is_some_and(|letter| LETTERS.contains(&letter));
    let number = characters.as_str();
    has_letter && (1..=2).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// `C5` of `c5_a_dead_address_costs_at_most_300_ms`.
fn rule_of(function: &str) -> Option<String> {
    let (prefix, _) = function.split_once('_')?;
    Some(prefix.to_ascii_uppercase()).filter(|rule| is_rule(rule))
}

/// The name of a function without the rule that it proves.
pub(super) fn without_rule(function: &str) -> &str {
    let prefix = rule_of(function).map_or(0, |rule| rule.len() + 1);
    &function[prefix..]
}

#[test]
fn rules_are_found_in_prose_and_in_names() {
    let rules = ["A1", "A6", "H7", "S10", "X1"].map(str::to_owned);
    assert_eq!(rules_in("Rule H7: a secret (X1), A1-A6, and S10. No UTF8, IP6, %C5, C99 or H264."), rules.into());
    assert_eq!(rule_of("c5_a_dead_address"), Some("C5".to_owned()));
    assert_eq!(rule_of("ipv6_has_a_zone"), None);
    assert_eq!(without_rule("s10_a_server"), "a_server");
    assert_eq!(without_rule("a_server"), "a_server");
}

#[test]
fn the_letters_are_those_of_the_sections() {
    assert_eq!(
        letters("# Behaviour\n\n## C: Connecting\n\n## How to read: twice\n\n## R: Staying\n"),
        ['C', 'R'].into()
    );
    assert!(LETTERS.len() >= 10, "{LETTERS:?}");
}

#[test]
fn a_rule_is_defined_by_its_title() {
    assert_eq!(
        defined("## C: Connecting\n\n**C5: every address is tried.** As in C6.\n**Note: none**"),
        ["C5".to_owned()].into()
    );
}
