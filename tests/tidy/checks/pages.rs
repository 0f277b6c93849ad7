//! The form of Markdown pages, and the paths that pages and comments name.

use std::path::Path;

use crate::repository::{File, files, root};

const MAX_GLOSSARY: usize = 25;

/// Words that stand for a part of a path.
const PLACEHOLDERS: [&str; 3] = ["TARGET", "CRATE_SUBJECT", "SERVER__SCENARIO"];

/// Folders that a tool makes. A clone does not have them.
const MADE_BY_TOOLS: [&str; 1] = ["fuzz/artifacts/"];

/// Folders of programs whose comments may name paths.
const FOLDERS_OF_PROGRAMS: [&str; 4] = ["src/", "tests/", "benches/", "examples/"];

/// A word in a code span of a comment names a file if it ends like this.
const EXTENSIONS_OF_PATHS: [&str; 3] = [".rs", ".md", ".h"];

/// A row that is wrapped becomes two rows, one of them in the wrong columns.
#[test]
fn each_row_of_a_table_is_one_line() {
    for page in files().iter().filter(|file| file.is_markdown()) {
        let mut is_in_table = false;
        for line in page.text.lines() {
            assert!(!line.starts_with('|') || line.ends_with('|'), "{}: {line}", page.path);
            assert!(!is_in_table || line.is_empty() || line.starts_with('|'), "{}: {line}", page.path);
            is_in_table = line.starts_with('|');
        }
    }
}

#[test]
fn the_readme_begins_with_the_quickstart() {
    let quickstart = include_str!("../../../examples/quickstart.rs");
    let code = quickstart.split_once("\n\n").expect("a line of documentation first").1;
    let readme = include_str!("../../../README.md");
    assert_eq!(readme.split("```").nth(1), Some(&*format!("rust\n{code}")));
    assert!(quickstart.lines().count() <= 40);
}

#[test]
fn the_pages_for_contributors_name_paths_that_exist() {
    for name in ["docs/architecture.md", "CONTRIBUTING.md"] {
        assert!(paths(page(name)).count() > 10, "{name}: the paths were found");
        let missing: Vec<_> = paths(page(name)).filter(|path| !exists(path)).collect();
        assert!(missing.is_empty(), "{name} names {missing:?}");
    }
}

#[test]
fn comments_name_paths_that_exist() {
    let is_read = |file: &&File| FOLDERS_OF_PROGRAMS.iter().any(|folder| file.path.starts_with(folder));
    let programs = files().iter().filter(is_read);
    let named: Vec<_> = programs.flat_map(|file| paths_in_comments(file).map(move |path| (file.path, path))).collect();
    assert!(named.len() > 5, "the paths were found: {}", named.len());
    let missing: Vec<_> = named.iter().filter(|(file, path)| !exists_for(file, path)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_glossary_is_short() {
    let rows = glossary(page("docs/architecture.md")).count();
    assert!((10..=MAX_GLOSSARY).contains(&rows), "{rows} words");
}

fn page(path: &str) -> &'static str {
    files().iter().find(|file| file.path == path).expect("a page of the repository").text
}

/// The paths in the code spans of a page. The first word of a command is one, if it has a slash.
fn paths(page: &str) -> impl Iterator<Item = &str> {
    let spans = without_fences(page).flat_map(|text| text.split('`').skip(1).step_by(2));
    let words = spans.filter_map(|span| span.split_whitespace().next());
    words.filter(|word| is_path(word))
}

fn is_path(word: &str) -> bool {
    let is_of_path = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    word.contains('/') && word.chars().all(is_of_path)
}

/// The words in the code spans of comments that look like the path of a file.
fn paths_in_comments(file: &'static File) -> impl Iterator<Item = &'static str> {
    let spans = comment_lines(file).into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
    let words = spans.flat_map(str::split_whitespace);
    words.filter(|word| is_path(word) && EXTENSIONS_OF_PATHS.iter().any(|extension| word.ends_with(extension)))
}

fn comment_lines(file: &'static File) -> Vec<&'static str> {
    match file.script_comments() {
        Some(comments) => comments.iter().flatten().map(|line| line.text).collect(),
        None => file.tokens().iter().filter(|token| token.is_comment()).flat_map(|token| token.text.lines()).collect(),
    }
}

/// A path in a comment may also be relative to a folder that the file is in.
fn exists_for(file: &str, path: &str) -> bool {
    let mut folders = Path::new(file).ancestors().skip(1);
    exists(path) || folders.any(|folder| root().join(folder).join(path).exists())
}

/// The parts of a page between its fenced blocks.
fn without_fences(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").step_by(2)
}

/// A path is relative to the repository or to `src`.
fn exists(path: &str) -> bool {
    let named = without_placeholder(path);
    let is_there = |root: &Path| root.join(named).exists();
    MADE_BY_TOOLS.contains(&named) || is_there(root()) || is_there(&root().join("src"))
}

/// The folder before the first component with a placeholder, or the whole path.
fn without_placeholder(path: &str) -> &str {
    let is_named = |component: &&str| !PLACEHOLDERS.iter().any(|placeholder| component.contains(placeholder));
    &path[..path.split_inclusive('/').take_while(is_named).map(str::len).sum()]
}

/// The rows of the table below the heading, without those of its head.
fn glossary(page: &str) -> impl Iterator<Item = &str> {
    let section = page.split_once("\n## Glossary\n").expect("a glossary").1;
    section.split("\n## ").next().unwrap_or(section).lines().filter(|line| line.starts_with("| ")).skip(1)
}

#[test]
fn paths_are_found_in_code_spans() {
    let page = "In `src/lib.rs` or `io/core.rs`, `Core`, by `tests/run ci` (`a/b: c`).\n```sh\n`x/y`\n```\n`docs/`";
    assert_eq!(paths(page).collect::<Vec<_>>(), ["src/lib.rs", "io/core.rs", "tests/run", "docs/"]);
}

#[test]
fn paths_are_found_in_comments() {
    let code = "// In `io/core.rs`, by `cargo b/c.rs`, not `core.rs` or `a/b`.\n/*\n * `tests/a.h` */ \"`d/e.rs`\"";
    let file: &File = Box::leak(Box::new(File::new("src/lib.rs", code)));
    assert_eq!(paths_in_comments(file).collect::<Vec<_>>(), ["io/core.rs", "b/c.rs", "tests/a.h"]);
    let script: &File = Box::leak(Box::new(File::new("tests/a.mjs", "// See `b/c.md`.\nlet a = `d/e.rs`;")));
    assert_eq!(paths_in_comments(script).collect::<Vec<_>>(), ["b/c.md"]);
}

#[test]
fn a_path_in_a_comment_may_be_relative_to_its_file() {
    assert!(exists_for("tests/capi/fork.rs", "programs/world.h"));
    assert!(exists_for("tests/tidy/checks/pages.rs", "measure/lexer.rs"));
    assert!(!exists_for("tests/capi/fork.rs", "programs/nowhere.h"));
}

#[test]
fn a_missing_path_is_refused() {
    for path in ["src/lib.rs", "io/core.rs", "tests/corpus/SERVER__SCENARIO.jsonl", "fuzz/artifacts/TARGET"] {
        assert!(exists(path), "{path}");
    }
    for path in ["src/nowhere.rs", "io/nowhere/", "tests/nowhere/TARGET", "fuzz/artifacts/lib.rs", "src/README.md"] {
        assert!(!exists(path), "{path}");
    }
}

#[test]
fn the_rows_of_the_glossary_are_counted() {
    let page = "# Page\n\n| no | row |\n\n## Glossary\n\n| word | meaning |\n|---|---|\n| a | b |\n| c | d |\n\n## Next\n\n| e | f |";
    assert_eq!(glossary(page).collect::<Vec<_>>(), ["| a | b |", "| c | d |"]);
}
