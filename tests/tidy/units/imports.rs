use std::fs;

use crate::measure::{
    imports::{folders, graph, imports},
    sources::sources,
};

use super::sources::folder;

#[test]
fn imports_lead_from_file_to_file() {
    let root = folder(
        "imports",
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod c; mod d; pub use c::C; pub use d::D; fn f(d: D) {}"),
            ("a/c.rs", "pub struct C; use super::D;"),
            ("a/d.rs", "pub struct D; // crate::b::B\n#[cfg(test)] mod tests { use crate::b::B; }"),
            ("b.rs", "pub struct B; fn f() { crate::a::C; \"crate::a::d::D\" }"),
        ],
    );
    let sources = sources(&root);
    let found = imports(&sources);
    let described: Vec<_> =
        found.iter().map(|import| (import.from, import.to, &*import.path, import.only_exports)).collect();
    let expected = [
        ("a/c.rs", "a/d.rs", "super::D", false),
        ("a/mod.rs", "a/c.rs", "c::C", true),
        ("a/mod.rs", "a/d.rs", "d::D", false),
        ("b.rs", "a/c.rs", "crate::a::C", false),
    ];
    assert_eq!(described, expected);
    assert_eq!(folders(&sources), [vec![], vec!["a"]].into());
    assert_eq!(graph(&found, &["a"]).depth(), 2);
    fs::remove_dir_all(root).expect("a folder to remove");
}

#[test]
fn a_folder_is_an_entry_of_the_folder_around_it() {
    let root = folder(
        "entries",
        &[
            ("lib.rs", "mod io; mod sync;"),
            ("sync.rs", "pub struct S(crate::io::b::B);"),
            ("io/mod.rs", "mod a; mod b; use crate::sync::S;"),
            ("io/a/mod.rs", "mod c; pub struct A;"),
            ("io/a/c.rs", "use crate::io::b::B; use super::A;"),
            ("io/b.rs", "pub struct B(super::a::A);"),
        ],
    );
    let found = imports(&sources(&root));
    assert_eq!(graph(&found, &["io"]).circles(), [["a", "b"]]);
    assert_eq!(graph(&found, &["io", "a"]).circles(), [[""; 0]; 0]);
    assert_eq!(graph(&found, &[]).circles(), [["io", "sync"]]);
    fs::remove_dir_all(root).expect("a folder to remove");
}

#[test]
fn imports_of_tests_make_no_circle() {
    let root = folder(
        "tests",
        &[
            ("lib.rs", "mod io;"),
            ("io/mod.rs", "mod a; #[cfg(test)] mod b;"),
            ("io/a.rs", "pub struct A; #[cfg(test)] fn f(_: super::b::B) {}"),
            ("io/b.rs", "pub struct B(super::a::A);"),
        ],
    );
    let found = imports(&sources(&root));
    let described: Vec<_> = found.iter().map(|import| (import.from, import.to, import.is_for_tests)).collect();
    assert_eq!(described, [("io/b.rs", "io/a.rs", true)]);
    assert_eq!(graph(&found, &["io"]).depth(), 0);
    fs::remove_dir_all(root).expect("a folder to remove");
}
