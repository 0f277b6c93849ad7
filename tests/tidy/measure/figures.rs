//! Counts of production code, by which its structure is compared over time and with other crates.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    imports::{Import, folders, graph, imports},
    layers::layer_of,
    lexer::{Kind, Token},
    sentences::{HEADLESS, of_comments},
    sources::{Source, after_visibility, group_end},
};

pub(crate) struct Figures {
    pub(crate) file_lines: Distribution,
    pub(crate) function_lines: Distribution,
    pub(crate) code_lines: usize,
    pub(crate) doc_lines: usize,
    pub(crate) comment_lines: usize,
    pub(crate) public: usize,
    pub(crate) restricted: usize,
    pub(crate) doc_sentences: usize,
    /// Doc sentences and sentences of comments that begin as [`HEADLESS`] says, by their opening.
    pub(crate) headless: BTreeMap<&'static str, usize>,
    pub(crate) duplicates: BTreeSet<Duplicate>,
    pub(crate) depth_of_io: usize,
    /// The files and folders of each circle of imports, as paths.
    pub(crate) circles: Vec<Vec<String>>,
}

impl Figures {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let production: Vec<_> = sources.iter().filter(|source| source.is_production).collect();
        let count = |visibility: fn(&[Token]) -> usize| production.iter().map(|source| visibility(&source.code)).sum();
        let code = |source: &&Source| lines(&source.code, |token| !token.is_comment()).len();
        let imports = imports(sources);
        Self {
            file_lines: production.iter().map(|source| source.lines).collect(),
            function_lines: production.iter().flat_map(|source| functions(&source.code)).collect(),
            code_lines: production.iter().map(code).sum(),
            doc_lines: production.iter().map(|source| lines(&source.code, Token::is_doc).len()).sum(),
            comment_lines: production.iter().map(|source| comment_lines(&source.code)).sum(),
            public: count(public),
            restricted: count(restricted),
            doc_sentences: production.iter().map(|source| of_comments(&source.code, &DOCS).len()).sum(),
            headless: headless(&production),
            duplicates: duplicates(sources),
            depth_of_io: graph(&imports, &["io"]).depth(),
            circles: folders(sources).iter().flat_map(|folder| circles(&imports, folder)).collect(),
        }
    }

    pub(crate) fn restricted_per_1000(&self) -> f64 {
        self.restricted as f64 * 1000.0 / self.code_lines as f64
    }

    /// Counts `pub` items as well, because a `pub` inside of a private type is no wider than `pub(crate)`.
    pub(crate) fn visible_per_1000(&self) -> f64 {
        (self.public + self.restricted) as f64 * 1000.0 / self.code_lines as f64
    }

    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let per_code_line = |lines: usize| format!("{:.3}", lines as f64 / self.code_lines as f64);
        let functions = &self.function_lines;
        let headless: usize = self.headless.values().sum();
        let openings: Vec<_> =
            self.headless.iter().map(|(opening, count)| format!("{}: {count}", opening.trim())).collect();
        let circles_of_io = self.circles.iter().filter(|circle| circle[0].starts_with("io/")).count();
        let circles: Vec<_> = self.circles.iter().map(|circle| circle.join(", ")).collect();
        vec![
            ("files", self.file_lines.count().to_string()),
            ("lines", self.file_lines.sum().to_string()),
            ("mean / median / p90 / max file", self.file_lines.summary(true)),
            ("functions", functions.count().to_string()),
            ("median / p90 / p99 / max function", functions.summary(false)),
            ("functions of more than 60 lines", functions.above(60).to_string()),
            ("code lines", self.code_lines.to_string()),
            ("doc lines per code line", per_code_line(self.doc_lines)),
            ("`//` lines per code line", per_code_line(self.comment_lines)),
            ("`pub` / `pub(..)` items", format!("{} / {}", self.public, self.restricted)),
            ("`pub(..)` per 1,000 code lines", format!("{:.1}", self.restricted_per_1000())),
            ("`pub` and `pub(..)` per 1,000 code lines", format!("{:.1}", self.visible_per_1000())),
            ("doc sentences", self.doc_sentences.to_string()),
            ("sentences without a subject", format!("{headless} ({})", openings.join(", "))),
            ("type names defined twice in a layer", self.duplicates.len().to_string()),
            ("depth of imports in `io`", self.depth_of_io.to_string()),
            ("circles of imports in `io`", circles_of_io.to_string()),
            ("circles of imports in all folders", format!("{} ({})", circles.len(), circles.join("; "))),
        ]
    }
}

const DOCS: [Kind; 2] = [Kind::OuterDoc, Kind::InnerDoc];
pub(crate) const COMMENTS: [Kind; 3] = [Kind::OuterDoc, Kind::InnerDoc, Kind::Comment];

/// Sizes, sorted.
pub(crate) struct Distribution(Vec<usize>);

impl FromIterator<usize> for Distribution {
    fn from_iter<I: IntoIterator<Item = usize>>(sizes: I) -> Self {
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        sizes.sort_unstable();
        Self(sizes)
    }
}

impl Distribution {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn sum(&self) -> usize {
        self.0.iter().sum()
    }

    /// The smallest size that `percent` of all do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> usize {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(0)
    }

    pub(crate) fn above(&self, limit: usize) -> usize {
        self.0.iter().filter(|size| **size > limit).count()
    }

    fn summary(&self, is_of_files: bool) -> String {
        let [median, p90, p99, max] = [50, 90, 99, 100].map(|percent| self.percentile(percent));
        let mean = self.sum() / self.count().max(1);
        if is_of_files {
            format!("{mean} / {median} / {p90} / {max}")
        } else {
            format!("{median} / {p90} / {p99} / {max}")
        }
    }
}

fn lines(tokens: &[Token], is_counted: fn(&Token) -> bool) -> BTreeSet<usize> {
    tokens.iter().filter(|token| is_counted(token)).flat_map(Token::lines).collect()
}

/// The lines of plain comments that have a line for themselves.
fn comment_lines(tokens: &[Token]) -> usize {
    let comments = lines(tokens, |token| token.kind == Kind::Comment);
    comments.difference(&lines(tokens, |token| !token.is_comment())).count()
}

/// The sizes of functions that have a body, from `fn` to the closing brace.
pub(crate) fn functions(tokens: &[Token]) -> Vec<usize> {
    let mut sizes = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        if pair[0].is("fn") && pair[1].kind == Kind::Word {
            sizes.extend(body_end(tokens, index).map(|end| tokens[end - 1].line + 1 - pair[0].line));
        }
    }
    sizes
}

/// The index after the body of the function whose `fn` stands at `at`. `None` if it has none.
fn body_end(tokens: &[Token], mut at: usize) -> Option<usize> {
    loop {
        match tokens.get(at)?.text {
            "(" | "[" => at = group_end(tokens, at),
            "{" => return Some(group_end(tokens, at)),
            ";" => return None,
            _ => at += 1,
        }
    }
}

fn public(tokens: &[Token]) -> usize {
    visibilities(tokens).filter(|is_restricted| !is_restricted).count()
}

fn restricted(tokens: &[Token]) -> usize {
    visibilities(tokens).filter(|is_restricted| *is_restricted).count()
}

/// Keywords after which an item follows. A field has none.
const ITEMS: [&str; 13] =
    ["async", "const", "enum", "extern", "fn", "macro", "mod", "static", "struct", "trait", "type", "unsafe", "use"];

/// Whether it is restricted, for each `pub` of an item. Fields are no items.
fn visibilities(tokens: &[Token]) -> impl Iterator<Item = bool> {
    let starts = (0..tokens.len()).filter(|at| tokens[*at].is("pub"));
    let ends = starts.map(|at| (at, after_visibility(tokens, at)));
    let of_items = ends.filter(|(_, end)| tokens.get(*end).is_some_and(|token| ITEMS.contains(&token.text)));
    of_items.map(|(at, end)| end > at + 1)
}

fn circles(imports: &[Import], folder: &[&'static str]) -> Vec<Vec<String>> {
    let path = |entry: &&str| folder.iter().chain([entry]).copied().collect::<Vec<_>>().join("/");
    graph(imports, folder).circles().iter().map(|circle| circle.iter().map(path).collect()).collect()
}

fn headless(sources: &[&Source]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for sentence in sources.iter().flat_map(|source| of_comments(&source.code, &COMMENTS)) {
        if let Some(opening) = HEADLESS.into_iter().find(|opening| sentence.begins_with_any(&[opening])) {
            *counts.entry(opening).or_default() += 1;
        }
    }
    counts
}

/// A type name that a layer defines twice or more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duplicate {
    /// The index in [`LAYERS`](super::layers::LAYERS).
    pub(crate) layer: Option<usize>,
    pub(crate) name: &'static str,
    pub(crate) paths: Vec<&'static str>,
}

/// The names that production code defines twice or more.
pub(crate) fn duplicates(sources: &[Source]) -> BTreeSet<Duplicate> {
    let production = sources.iter().filter(|source| source.is_production);
    duplicates_among(production.map(|source| (source, &*source.code)))
}

/// The names that production code and unit tests together define twice or more.
pub(crate) fn duplicates_with_tests(sources: &[Source]) -> BTreeSet<Duplicate> {
    duplicates_among(sources.iter().map(|source| (source, &*source.tokens)))
}

fn duplicates_among<'a>(code: impl Iterator<Item = (&'a Source, &'a [Token])>) -> BTreeSet<Duplicate> {
    let mut definitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (source, tokens) in code {
        for name in types(tokens) {
            definitions.entry((layer_of(source.top()), name)).or_default().push(source.path);
        }
    }
    let repeated = definitions.into_iter().filter(|(_, paths)| paths.len() > 1);
    repeated.map(|((layer, name), paths)| Duplicate { layer, name, paths }).collect()
}

/// The names of all types and traits, private ones and aliases included. Associated types are none.
pub(crate) fn types(tokens: &[Token]) -> Vec<&'static str> {
    let code: Vec<_> = tokens.iter().filter(|token| !token.is_comment()).collect();
    let mut names = Vec::new();
    // For each open brace, whether it belongs to an `impl` or a trait.
    let mut braces = Vec::new();
    let mut has_associated_items = false;
    for (index, token) in code.iter().enumerate() {
        let next = code.get(index + 1).filter(|next| next.kind == Kind::Word).map(|next| next.text);
        match (token.text, next) {
            ("impl", _) if begins_item(&code, index) => has_associated_items = true,
            ("{", _) if token.kind == Kind::Punctuation => braces.push(std::mem::take(&mut has_associated_items)),
            ("}", _) if token.kind == Kind::Punctuation => drop(braces.pop()),
            (";", _) => has_associated_items = false,
            ("struct" | "enum" | "union", Some(name)) => names.push(name),
            ("trait", Some(name)) => {
                names.push(name);
                has_associated_items = true;
            }
            ("type", Some(name)) if braces.last() != Some(&true) => names.push(name),
            _ => {}
        }
    }
    names
}

/// Whether the keyword at `index` begins an item, and no type.
pub(super) fn begins_item(code: &[&Token], index: usize) -> bool {
    index == 0 || ["{", "}", ";", "]", "unsafe"].contains(&code[index - 1].text)
}
