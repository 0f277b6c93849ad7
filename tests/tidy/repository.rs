//! The files that the checks look at. Each is read once.

use std::{
    fs,
    path::Path,
    sync::{LazyLock, OnceLock},
};

use crate::measure::{
    imports::{Import, imports},
    lexer::{Token, tokens},
    scripts::{EXTENSIONS, comments, marks},
    sentences::Line,
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

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// The comments of a program in a language whose tokens are not those of Rust.
    pub(crate) fn script_comments(&self) -> Option<Vec<Vec<Line>>> {
        marks(self.path).map(|marks| comments(self.text, marks))
    }

    /// The tokens of a program in Rust or C: the comments and literals of both are alike.
    pub(crate) fn tokens(&self) -> &[Token] {
        let has_others = self.is_markdown() || marks(self.path).is_some();
        self.tokens.get_or_init(|| if has_others { Vec::new() } else { tokens(self.text) })
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

/// All programs and all pages.
pub(crate) fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
        let folders = FOLDERS.iter().flat_map(|folder| files_below(&root().join(folder), &EXTENSIONS_OF_FILES));
        let scripts = FOLDERS_OF_SCRIPTS.iter().flat_map(|folder| files_below(&root().join(folder), &EXTENSIONS));
        let paths =
            folders.chain(scripts.filter(|path| is_script(path))).chain(FILES_OF_ROOT.map(|name| root().join(name)));
        paths.map(|path| File::new(keep(relative(root(), &path)), keep(read(&path)))).collect()
    });
    &FILES
}

const FOLDERS: [&str; 7] = ["src", "tests", "benches", "bindings", "fuzz/fuzz_targets", "examples", "docs"];
const EXTENSIONS_OF_FILES: [&str; 6] = ["rs", "md", "h", "hpp", "c", "cpp"];
const FOLDERS_OF_SCRIPTS: [&str; 5] = [".ci", "bindings", "examples", "findings", "tests"];
const FILES_OF_ROOT: [&str; 6] =
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml", "fuzz/Cargo.toml", "fuzz/corpus.bash"];

/// A file without an extension is a script if it names its interpreter.
fn is_script(path: &Path) -> bool {
    path.extension().is_some() || fs::read(path).is_ok_and(|content| content.starts_with(b"#!"))
}
