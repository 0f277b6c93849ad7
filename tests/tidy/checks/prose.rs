//! Sentences and names of functions have a subject.

use crate::{
    measure::{
        figures::COMMENTS,
        lexer::{Kind, Token},
        sentences::{HEADLESS, Sentence, of_blocks, of_comments, of_markdown},
    },
    repository::{File, files},
};

use super::rules::without_rule;

/// A sentence or the name of a function that begins with a clause in place of a noun.
struct Offender {
    file: &'static File,
    line: usize,
    text: String,
}

fn offenders() -> Vec<Offender> {
    files().iter().flat_map(offenders_of).collect()
}

fn sentences(file: &File) -> Vec<Sentence> {
    match file.script_comments() {
        Some(comments) => of_blocks(&comments),
        None if file.is_markdown() => of_markdown(file.text),
        None => of_comments(file.tokens(), &COMMENTS),
    }
}

fn offenders_of(file: &'static File) -> Vec<Offender> {
    let tokens = file.tokens();
    let sentences = sentences(file).into_iter().filter(|it| it.begins_with_any(&HEADLESS) && !is_title(file, it));
    let sentences = sentences.map(|sentence| (sentence.line, sentence.text));
    let functions = functions(tokens).into_iter().filter(|name| has_refused_opening(name.text));
    let names = functions.map(|name| (name.line, name.text.to_owned()));
    sentences.chain(names).map(|(line, text)| Offender { file, line, text }).collect()
}

/// Some tests have no attribute: programs of their own call them.
pub(super) fn functions(tokens: &[Token]) -> Vec<Token> {
    let pairs = tokens.windows(2).filter(|pair| pair[0].is("fn") && pair[1].kind == Kind::Word);
    pairs.map(|pair| pair[1]).collect()
}

/// A page may begin with its title, which is the name of its file.
fn is_title(file: &File, sentence: &Sentence) -> bool {
    let name = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".md"));
    let title = name.map(|name| name.replace('_', " "));
    sentence.line == 1 && title.is_some_and(|title| sentence.text.to_lowercase().starts_with(&title))
}

fn has_refused_opening(function: &str) -> bool {
    let words = without_rule(function).replace('_', " ");
    HEADLESS.iter().any(|opening| words.starts_with(&opening.to_lowercase()))
}

#[test]
fn every_sentence_has_a_subject() {
    let described = |offender: Offender| format!("{}:{}: {}", offender.file.path, offender.line, offender.text);
    let found: Vec<_> = offenders().into_iter().map(described).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_scripts_are_read() {
    for (folder, least) in [("bindings/", 200), ("tests/", 100), ("examples/", 20), ("findings/", 3)] {
        let scripts = files().iter().filter(|file| file.path.starts_with(folder) && file.script_comments().is_some());
        let found = scripts.map(|file| sentences(file).len()).sum::<usize>();
        assert!(found >= least, "{folder}: {found}");
    }
}

#[test]
fn a_name_is_judged_without_its_rule() {
    for name in ["what_is_sent", "c5_whoever_waits", "so_many_events"] {
        assert!(has_refused_opening(name), "{name}");
    }
    for name in ["whether_it_is_sent", "c5_a_dead_address", "whole_frames"] {
        assert!(!has_refused_opening(name), "{name}");
    }
}

#[test]
fn a_page_may_begin_with_its_name() {
    let page = File::new("src/guide/what_survives_what.md", "");
    let sentence = |line, text: &str| Sentence { line, text: text.to_owned() };
    assert!(is_title(&page, &sentence(1, "What survives what: each fault.")));
    assert!(!is_title(&page, &sentence(2, "What survives what: each fault.")));
    assert!(!is_title(&page, &sentence(1, "What the client does.")));
}
