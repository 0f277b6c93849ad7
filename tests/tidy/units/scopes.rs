use crate::measure::{
    lexer::tokens,
    scopes::{Scope, Scopes, Target, Use},
    sources::Section,
};

/// Scopes of modules, each given by its path and its code.
fn scopes(modules: &[(&'static str, &'static str)]) -> Scopes {
    Scopes::new(modules.iter().map(|(path, code)| Section { module: segments(path), code: tokens(code) }))
}

fn segments(path: &'static str) -> Vec<&'static str> {
    path.split("::").filter(|segment| !segment.is_empty()).collect()
}

#[track_caller]
fn assert_found(scopes: &Scopes, module: &'static str, path: &'static str, expected: &'static str) {
    let target = scopes.resolve(&segments(module), &segments(path));
    assert_eq!(target.map(|target| target.module().join("::")), Some(expected.to_owned()), "{path}");
}

#[test]
fn use_trees_are_unfolded() {
    let scope = Scope::new(&tokens("pub(crate) use crate::{a::{self, B as C}, d::*, E}; use super::f;"));
    let import = |path, name, is_public| Use { path: segments(path), name, is_public };
    let expected = [
        import("crate::a", "a", true),
        import("crate::a::B", "C", true),
        import("crate::d", "*", true),
        import("crate::E", "E", true),
        import("super::f", "f", false),
    ];
    assert_eq!(scope.uses, expected);
}

#[test]
fn paths_in_code_are_found_but_not_those_of_a_visibility() {
    let scope = Scope::new(&tokens("pub(in crate::a) fn b() -> impl c::D + use<'_> { crate::e::f::<g::H>().i() }"));
    assert_eq!(scope.paths, [segments("c::D"), segments("crate::e::f"), segments("g::H")]);
    assert!(scope.uses.is_empty());
    assert!(!scope.words.contains("i"));
}

#[test]
fn a_name_is_found_where_it_is_defined() {
    let scopes = scopes(&[
        ("", "pub use event::Batch; mod event; mod io;"),
        ("event", "mod batch; pub(crate) use batch::Batch; pub struct Event;"),
        ("event::batch", "pub(crate) struct Batch;"),
        ("io", "mod queue; use crate::event::Batch; macro_rules! make { () => {} }"),
        ("io::queue", "use super::*;"),
    ]);
    assert_found(&scopes, "io", "crate::event::Batch", "event::batch");
    assert_found(&scopes, "io", "crate::Batch::new", "event::batch");
    assert_found(&scopes, "io", "Batch::new", "event::batch");
    assert_found(&scopes, "io::queue", "super::Batch", "event::batch");
    assert_found(&scopes, "io::queue", "Batch::new", "event::batch");
    assert_found(&scopes, "io::queue", "super::super::event::Event", "event");
    assert_found(&scopes, "io", "queue::anything", "io::queue");
    assert_found(&scopes, "io::queue", "super::make", "io");
}

#[test]
fn modules_and_items_are_told_apart() {
    let scopes = scopes(&[("", ""), ("a", "struct B;"), ("c", "use crate::a as d;")]);
    assert_eq!(scopes.resolve(&["c"], &["d"]), Some(Target::Module(vec!["a"])));
    assert_eq!(scopes.resolve(&["c"], &["d", "B"]), Some(Target::ItemOf(vec!["a"])));
}

#[test]
fn names_of_other_crates_lead_nowhere() {
    let scopes = scopes(&[("", ""), ("a", "use std::io; use ::a::B; use serde::*;")]);
    for path in ["std::io::Read", "io::Read", "B::new", "Serialize::serialize"] {
        assert_eq!(scopes.resolve(&["a"], &segments(path)), None, "{path}");
    }
}

#[test]
fn a_circle_of_re_exports_ends() {
    let scopes = scopes(&[("", ""), ("a", "pub use crate::b::*; pub use crate::b::C;"), ("b", "pub use crate::a::*;")]);
    assert_found(&scopes, "a", "crate::a::C", "b");
}
