//! Finds the source files of a crate, and separates production code from tests.
//!
//! Production code is everything that `lib.rs` reaches by `mod` declarations in a build for users. All other files below
//! the root are tests. An item is no production code if its `cfg` needs one of [`TEST_CFGS`].

use std::{
    collections::BTreeSet,
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::lexer::{Kind, Token, tokens};

/// Configurations that no build for users has.
const TEST_CFGS: [&str; 4] = ["test", "fuzzing", "shuttle", "doctest"];

/// Keywords of items, which end with a block or a semicolon. Anything else with an attribute ends with a comma, too.
const ITEMS: [&str; 15] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

/// The segments of a module's path below the crate's root.
pub(crate) type ModulePath = Vec<&'static str>;

pub(crate) struct Source {
    /// Relative to the root of the sources, with `/` between its parts.
    pub(crate) path: &'static str,
    pub(crate) module: ModulePath,
    pub(crate) text: &'static str,
    /// All tokens of the file.
    pub(crate) tokens: Vec<Token>,
    /// The tokens without those of items for tests.
    pub(crate) code: Vec<Token>,
    /// The number of lines without those of items for tests.
    pub(crate) lines: usize,
    pub(crate) is_production: bool,
}

impl Source {
    /// The top-level module that the file belongs to; `lib` for the root.
    pub(crate) fn top(&self) -> &'static str {
        self.module.first().copied().unwrap_or("lib")
    }

    /// The code by module: the file's own module, and those that it defines inline.
    pub(crate) fn sections(&self) -> Vec<Section> {
        sections(&self.code, &self.module)
    }

    fn read(root: &Path, path: &'static str, module: ModulePath, is_production: bool) -> Self {
        let text = keep(read(&root.join(path)));
        let tokens = tokens(text);
        let (code, cut) = without_tests(&tokens);
        let cut: usize = cut.iter().map(|lines| lines.end() - lines.start() + 1).sum();
        let lines = text.lines().count() - cut;
        Self { path, module, text, tokens, code, lines, is_production }
    }
}

/// The code of one module, without comments and without the modules inside.
pub(crate) struct Section {
    pub(crate) module: ModulePath,
    pub(crate) code: Vec<Token>,
}

impl Section {
    /// The names of the modules that this one declares as `mod name;`.
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.code
            .windows(3)
            .filter(|tokens| tokens[0].is("mod") && tokens[1].kind == Kind::Word && tokens[2].is(";"))
            .map(|tokens| tokens[1].text)
    }
}

/// The sources of a crate, sorted by path. `root` is the folder of `lib.rs`.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let mut sources = vec![Source::read(root, "lib.rs", Vec::new(), true)];
    let mut next = 0;
    while next < sources.len() {
        for section in sources[next].sections() {
            for name in section.files() {
                let module: ModulePath = section.module.iter().copied().chain([name]).collect();
                if let Some(path) = file_of(root, &module) {
                    sources.push(Source::read(root, path, module, true));
                }
            }
        }
        next += 1;
    }
    let known: BTreeSet<_> = sources.iter().map(|source| source.path).collect();
    let tests = files_below(root, &["rs"]).into_iter().map(|path| keep(relative(root, &path)));
    let tests: Vec<_> = tests.filter(|path| !known.contains(path)).collect();
    sources.extend(tests.into_iter().map(|path| Source::read(root, path, module_of(path), false)));
    sources.sort_by_key(|source| source.path);
    sources
}

fn file_of(root: &Path, module: &[&str]) -> Option<&'static str> {
    let base = module.join("/");
    let path = [format!("{base}.rs"), format!("{base}/mod.rs")].into_iter().find(|path| root.join(path).is_file())?;
    Some(keep(path))
}

fn module_of(path: &'static str) -> ModulePath {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    path.strip_suffix("/mod").unwrap_or(path).split('/').collect()
}

/// The files below a folder whose extension is one of `extensions`, sorted. Files without one have `""`. Folders of build output are left out.
pub(crate) fn files_below(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry of a folder").path();
            let is_output = ["target", "node_modules"].iter().any(|name| path.ends_with(name));
            if path.is_dir() && !is_output {
                folders.push(path);
            } else if path.is_file() && extensions.iter().any(|known| *known == path.extension().unwrap_or_default()) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// `path` below `root`, with `/` between its parts on every platform.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).expect("below the root").iter();
    parts.map(|part| part.to_str().expect("a UTF-8 path")).collect::<Vec<_>>().join("/")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The program reads each file once and ends soon, so tokens borrow from texts that are never freed.
pub(crate) fn keep(text: String) -> &'static str {
    text.leak()
}

/// The tokens without those of items for tests, and the lines of these items.
pub(crate) fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<RangeInclusive<usize>>) {
    let mut kept = Vec::new();
    let mut cut = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (start, is_test) = attributes(tokens, at);
        if is_test {
            let end = item_end(tokens, start);
            cut.push(tokens[at].line..=*tokens[end - 1].lines().end());
            at = end;
        } else {
            let end = start.max(at + 1);
            kept.extend_from_slice(&tokens[at..end]);
            at = end;
        }
    }
    (kept, cut)
}

/// The end of the attributes and outer docs that begin at `at`, and whether a `cfg` among them excludes users.
fn attributes(tokens: &[Token], mut at: usize) -> (usize, bool) {
    let mut is_test = false;
    let begins = |at: usize| tokens.get(at).is_some_and(|token| token.is("#") || token.kind == Kind::OuterDoc);
    if !begins(at) {
        return (at, false);
    }
    while let Some(token) = tokens.get(at) {
        if token.is("#") && tokens.get(at + 1).is_some_and(|next| next.is("[")) {
            let end = group_end(tokens, at + 1);
            is_test |= excludes_users(&tokens[at + 2..end - 1]);
            at = end;
        } else if token.kind == Kind::OuterDoc || token.kind == Kind::Comment {
            at += 1;
        } else {
            break;
        }
    }
    (at, is_test)
}

fn excludes_users(attribute: &[Token]) -> bool {
    let [name, open, predicate @ .., _close] = attribute else { return false };
    name.is("cfg") && open.is("(") && holds_for_users(predicate) == Some(false)
}

/// Whether a predicate of `cfg` holds in a build for users. `None` if that depends on the platform or on features.
fn holds_for_users(predicate: &[Token]) -> Option<bool> {
    match predicate {
        [flag] if TEST_CFGS.contains(&flag.text) => Some(false),
        [operator, open, list @ .., close] if open.is("(") && close.is(")") => {
            let values: Vec<_> = arguments(list).into_iter().map(holds_for_users).collect();
            let decided = |decisive| values.contains(&Some(decisive)).then_some(decisive);
            let unanimous = |value| values.iter().all(|other| *other == Some(value)).then_some(value);
            match operator.text {
                "not" => values.first()?.map(|value| !value),
                "all" => decided(false).or(unanimous(true)),
                "any" => decided(true).or(unanimous(false)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The parts between commas, without the commas inside of parentheses.
fn arguments(list: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0;
    let parts = list.split(|token| {
        depth += depth_change(token);
        depth == 0 && token.is(",")
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The index after the group that opens at `at`.
pub(crate) fn group_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        depth += depth_change(token);
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

pub(crate) fn depth_change(token: &Token) -> isize {
    match token.text {
        "(" | "[" | "{" if token.kind == Kind::Punctuation => 1,
        ")" | "]" | "}" if token.kind == Kind::Punctuation => -1,
        _ => 0,
    }
}

/// The index after the item, statement, field or arm that begins at `at`.
fn item_end(tokens: &[Token], at: usize) -> usize {
    let keyword = tokens[after_visibility(tokens, at)..].first();
    let is_item = keyword.is_some_and(|token| ITEMS.contains(&token.text));
    let is_statement = keyword.is_some_and(|token| token.is("let"));
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        depth += depth_change(token);
        match token.text {
            _ if depth < 0 => return index,
            _ if depth > 0 || token.kind != Kind::Punctuation => {}
            ";" => return index + 1,
            "," if !is_item => return index + 1,
            "}" if !is_statement => {
                let has_end = tokens.get(index + 1).is_some_and(|next| next.is(";") || next.is(","));
                return index + 1 + usize::from(has_end);
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The index after `pub` or `pub(..)`, if one stands at `at`.
pub(crate) fn after_visibility(tokens: &[Token], at: usize) -> usize {
    let is_public = tokens.get(at).is_some_and(|token| token.is("pub"));
    let is_restricted = is_public && tokens.get(at + 1).is_some_and(|token| token.is("("));
    let names_scope = |token: &Token| ["crate", "self", "super", "in"].contains(&token.text);
    match tokens.get(at + 2) {
        Some(scope) if is_restricted && names_scope(scope) => group_end(tokens, at + 1),
        _ => at + usize::from(is_public),
    }
}

fn sections(tokens: &[Token], module: &[&'static str]) -> Vec<Section> {
    let mut own = Section { module: module.to_vec(), code: Vec::new() };
    let mut inner = Vec::new();
    let code: Vec<_> = tokens.iter().copied().filter(|token| !token.is_comment()).collect();
    let mut at = 0;
    while at < code.len() {
        match &code[at..] {
            [keyword, name, open, ..] if keyword.is("mod") && name.kind == Kind::Word && open.is("{") => {
                let end = group_end(&code, at + 2);
                let module: ModulePath = module.iter().copied().chain([name.text]).collect();
                inner.extend(sections(&code[at + 3..end - 1], &module));
                at = end;
            }
            _ => {
                own.code.push(code[at]);
                at += 1;
            }
        }
    }
    inner.insert(0, own);
    inner
}
