//! The files that the checks look at. Each is read once.

use std::{
    path::Path,
    sync::{LazyLock, OnceLock},
};

use crate::measure::{
    imports::{Import, imports},
    lexer::{Token, tokens},
    sources::{Source, files_below, keep, read, relative, sources},
};

/// A file outside of `src`, or one of `src` in another language.
pub(crate) struct File {
    /// Relative to the repository.
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
    tokens: OnceLock<Vec<Token>>,
}

impl File {
    pub(crate) fn new(path: &'static str, text: &'static str) -> Self {
        Self { path, text, tokens: OnceLock::new() }
    }

    /// The folder of the repository that the file is in, or its own name.
    pub(crate) fn top(&self) -> &'static str {
        self.path.split('/').next().unwrap_or(self.path)
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// The tokens of a program. Comments and literals of C are those of Rust.
    pub(crate) fn tokens(&self) -> &[Token] {
        self.tokens.get_or_init(|| if self.is_markdown() { Vec::new() } else { tokens(self.text) })
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of `src` in Rust.
pub(crate) fn library() -> &'static [Source] {
    static LIBRARY: LazyLock<Vec<Source>> = LazyLock::new(|| sources(&root().join("src")));
    assert!(LIBRARY.len() > 30, "the sources were found");
    &LIBRARY
}

pub(crate) fn production() -> impl Iterator<Item = &'static Source> {
    library().iter().filter(|source| source.is_production)
}

/// The imports between files of `src`.
pub(crate) fn all_imports() -> &'static [Import] {
    static IMPORTS: LazyLock<Vec<Import>> = LazyLock::new(|| imports(library()));
    assert!(IMPORTS.len() > 300, "the imports were found");
    &IMPORTS
}

/// All programs in Rust and C, and all pages.
pub(crate) fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
        let folders = ["src", "tests", "benches", "fuzz/fuzz_targets", "examples", "docs"];
        let below = folders.iter().flat_map(|folder| files_below(&root().join(folder), &["rs", "md", "h", "c", "cpp"]));
        let pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name));
        below.chain(pages).map(|path| File::new(keep(relative(root(), &path)), keep(read(&path)))).collect()
    });
    &FILES
}
