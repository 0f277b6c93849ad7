use crate::measure::{
    figures::{Distribution, Figures, duplicates_with_tests, functions, types},
    impls::types_with_methods,
    lexer::tokens,
    sources::sources,
};

use super::sources::folder;

#[test]
fn functions_are_measured_from_their_name_to_their_brace() {
    let code = "trait A { fn a(&self) -> [u8; 2]; }\nfn b<T>()\nwhere\n    T: Fn() -> [u8; 1],\n{\n    fn c() {}\n}\ntype D = fn(u8);";
    assert_eq!(functions(&tokens(code)), [6, 1]);
}

#[test]
fn associated_types_are_no_type_names() {
    let code = "struct A<T: Clone>(T); trait B { type C; } impl<T> B for T { type C = u8; fn f() { enum D {} } }\n\
                fn g(h: impl Fn()) { type E = u8; } pub(crate) union F {} type G = u8;";
    assert_eq!(types(&tokens(code)), ["A", "B", "D", "E", "F", "G"]);
}

#[test]
fn a_block_of_methods_names_its_type() {
    let code = "impl<T: Into<A>> b::C<T> where T: D {} impl E {} impl F for G {} impl<T> H for T {} fn i(j: impl K) {}";
    assert_eq!(types_with_methods(&tokens(code)), ["C", "E"]);
}

#[test]
fn percentiles_are_sizes_that_occur() {
    let sizes: Distribution = (1..=10).rev().collect();
    assert_eq!([50, 90, 99, 100].map(|percent| sizes.percentile(percent)), [5, 9, 10, 10]);
    assert_eq!(sizes.above(8), 2);
    assert_eq!(Distribution::from_iter([]).percentile(50), 0);
}

#[test]
fn a_crate_has_figures() {
    let root = folder(
        "figures",
        &[
            ("lib.rs", "//! What it is.\n\nmod a;\nmod b;\n"),
            (
                "a.rs",
                "/// Whether it\n/// is one. It is.\npub(crate) struct A {\n    pub b: u8, // not alone\n}\n// Alone.\npub use A as B;\n",
            ),
            ("b.rs", "struct A;\n\n#[cfg(test)]\nmod tests {\n    fn a() {}\n    struct A;\n}\n"),
        ],
    );
    let sources = sources(&root);
    let figures = Figures::of(&sources);
    assert_eq!((figures.file_lines.count(), figures.file_lines.sum()), (3, 4 + 7 + 2));
    assert_eq!((figures.code_lines, figures.doc_lines, figures.comment_lines), (2 + 4 + 1, 1 + 2, 1));
    assert_eq!((figures.public, figures.restricted), (1, 1));
    assert_eq!((figures.restricted_per_1000(), figures.visible_per_1000()), (1000.0 / 7.0, 2000.0 / 7.0));
    assert_eq!(figures.function_lines.count(), 0);
    assert_eq!(figures.doc_sentences, 3);
    assert_eq!(figures.headless, [("What ", 1)].into());
    assert_eq!(figures.duplicates.first().map(|duplicate| duplicate.name), Some("A"));
    let with_tests = duplicates_with_tests(&sources);
    assert_eq!(with_tests.first().map(|duplicate| &*duplicate.paths), Some(&["a.rs", "b.rs", "b.rs"][..]));
    std::fs::remove_dir_all(root).expect("a folder to remove");
}
