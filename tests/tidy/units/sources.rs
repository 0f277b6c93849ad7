use std::{fs, path::PathBuf, process};

use crate::measure::{
    lexer::tokens,
    sources::{sources, without_tests},
};

fn kept(text: &'static str) -> String {
    without_tests(&tokens(text)).0.iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
}

#[test]
fn items_for_tests_are_cut() {
    assert_eq!(kept("fn a() {} #[cfg(test)] mod tests { fn b() {} } fn c() {}"), "fn a ( ) { } fn c ( ) { }");
    assert_eq!(kept("#[cfg(test)] use a::{b, c}; use d;"), "use d ;");
    assert_eq!(kept("/// Docs.\n#[cfg(test)]\n#[inline]\npub(crate) fn a<B, C>() -> [u8; 2] { [0; 2] } d"), "d");
    assert_eq!(kept("struct A { #[cfg(test)] b: u8, c: u8 }"), "struct A { c : u8 }");
    assert_eq!(kept("{ #[cfg(test)] let a = if b { c } else { d }; e }"), "{ e }");
    assert_eq!(kept("{ #[cfg(test)] a::b(c) }"), "{ }");
}

#[test]
fn code_for_some_platforms_is_kept() {
    for predicate in ["unix", "not(test)", "any(test, unix)", "not(all(test, shuttle))", "all(unix, not(fuzzing))"] {
        let code: &'static str = format!("#[cfg({predicate})] fn a() {{}}").leak();
        assert!(kept(code).ends_with("fn a ( ) { }"), "{predicate}");
    }
    for predicate in
        ["test", "all(test, unix)", "any(test, fuzzing)", "not(not(test))", "all(any(unix, windows), test)"]
    {
        let code: &'static str = format!("#[cfg({predicate})] fn a() {{}}").leak();
        assert_eq!(kept(code), "", "{predicate}");
    }
}

#[test]
fn lines_of_cut_items_are_known() {
    let text = "fn a() {}\n\n/// Docs.\n#[cfg(test)]\nmod tests {\n}\nfn b() {}\n";
    assert_eq!(without_tests(&tokens(text)).1, [3..=6]);
}

#[test]
fn files_that_only_tests_declare_are_tests() {
    let root = folder(
        "declared",
        &[
            ("lib.rs", "mod a;\n#[cfg(test)]\nmod tests;\nmod b { mod c; }"),
            ("a.rs", "mod d;\n#[cfg(test)]\nmod tests { fn e() {} }"),
            ("a/d.rs", ""),
            ("b/c.rs", ""),
            ("tests/mod.rs", ""),
            ("left_behind.rs", ""),
        ],
    );
    let found = sources(&root);
    let found: Vec<_> =
        found.iter().map(|source| (source.path, source.module.join("::"), source.is_production)).collect();
    let expected = [
        ("a.rs", "a", true),
        ("a/d.rs", "a::d", true),
        ("b/c.rs", "b::c", true),
        ("left_behind.rs", "left_behind", false),
        ("lib.rs", "", true),
        ("tests/mod.rs", "tests", false),
    ];
    assert_eq!(found, expected.map(|(path, module, is_production)| (path, module.to_owned(), is_production)));
    fs::remove_dir_all(root).expect("a folder to remove");
}

/// A folder of sources, with a name of its own for each test.
pub(super) fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tidy-{name}-{}", process::id()));
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        fs::write(path, text).expect("a new file");
    }
    root
}
