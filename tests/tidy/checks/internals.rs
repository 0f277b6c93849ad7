//! The C interface uses the client by its public interface. One file names the exceptions.

use std::collections::BTreeSet;

use crate::{
    measure::{
        imports::Import,
        lexer::{Kind, Token},
        sources::{Source, after_visibility},
    },
    repository::{all_imports, production},
};

/// The only file of the C interface that may use private parts of the client.
const INTERNALS: &str = "capi/internals.rs";

const MAX_INTERFACES: usize = 4;

/// Private functions of the client that have the name of a method of the standard library.
const STANDARD: [&str; 2] = ["contains", "filter"];

#[test]
fn the_c_interface_has_few_internal_interfaces() {
    let source = production().find(|source| source.path == INTERNALS).expect("the file of internal interfaces");
    let interfaces = source.sections().iter().filter(|section| section.module.len() == source.module.len() + 1).count();
    assert!((1..=MAX_INTERFACES).contains(&interfaces), "{interfaces}");
}

#[test]
fn only_one_file_of_the_c_interface_imports_private_names() {
    let of_c =
        all_imports().iter().filter(|import| import.from_module.first() == Some(&"capi") && !import.is_for_tests);
    let (allowed, other): (Vec<_>, Vec<_>) =
        of_c.filter(|import| is_private(import)).partition(|import| import.from == INTERNALS);
    assert!(allowed.len() >= MAX_INTERFACES, "the imports of {INTERNALS} were found");
    let other: Vec<_> = other.iter().map(|import| format!("{}: {}", import.from, import.path)).collect();
    assert!(other.is_empty(), "{other:#?}");
}

/// Public items are names of types at the root of the crate, where all modules are private for the C interface. A path
/// that begins with another name goes through an import, which is checked itself.
fn is_private(import: &Import) -> bool {
    let names: Vec<_> = import.path.split("::").collect();
    match names[..] {
        ["crate", "capi", ..] => false,
        ["crate", name, ..] => !name.starts_with(|letter: char| letter.is_ascii_uppercase()),
        ["super" | "self", ..] => import.to_module.first() != Some(&"capi"),
        _ => false,
    }
}

#[test]
fn only_one_file_of_the_c_interface_calls_private_functions() {
    let private = private_functions();
    for known in ["on_kind", "take_one", "can_authenticate"] {
        assert!(private.contains(known), "{known} was found");
    }
    let of_c = production().filter(|source| source.top() == "capi");
    let (allowed, other): (Vec<_>, Vec<_>) = of_c
        .flat_map(|source| called(source).into_iter().map(|name| (source.path, name)))
        .filter(|(_, name)| private.contains(name))
        .partition(|(path, _)| *path == INTERNALS);
    assert!(allowed.len() > 5, "the calls in {INTERNALS} were found: {allowed:?}");
    assert!(other.is_empty(), "{other:#?}");
}

/// The functions of the client that are private, and whose names no public function and none of the C interface has: the
/// check knows no types.
fn private_functions() -> BTreeSet<&'static str> {
    let (mut private, mut other) = (BTreeSet::new(), BTreeSet::new());
    for source in production().filter(|source| !["testing", "testability"].contains(&source.top())) {
        for (name, visibility) in functions(&source.code) {
            match (source.top(), visibility) {
                ("capi", _) if source.path == INTERNALS => {}
                ("capi", _) | (_, Visibility::Public) => drop(other.insert(name)),
                (_, Visibility::Restricted) => drop(private.insert(name)),
                (_, Visibility::None) => {}
            }
        }
    }
    private.difference(&other).copied().filter(|name| !STANDARD.contains(name)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visibility {
    Public,
    Restricted,
    None,
}

fn functions(code: &[Token]) -> impl Iterator<Item = (&'static str, Visibility)> {
    let code: Vec<_> = code.iter().filter(|token| !token.is_comment()).copied().collect();
    (0..code.len()).filter_map(move |at| {
        let [keyword, name, ..] = &code[at..] else { return None };
        if !keyword.is("fn") || name.kind != Kind::Word {
            return None;
        }
        let starts = (0..at).rev().take(6).find(|start| code[*start].is("pub"));
        let visibility = starts.map(|start| (start, after_visibility(&code, start)));
        Some((
            name.text,
            match visibility {
                Some((start, end)) if end == at => {
                    if end == start + 1 {
                        Visibility::Public
                    } else {
                        Visibility::Restricted
                    }
                }
                _ => Visibility::None,
            },
        ))
    })
}

/// The methods and the functions of types that the code calls, or passes on as a value.
fn called(source: &Source) -> BTreeSet<&'static str> {
    let code: Vec<_> = source.code.iter().filter(|token| !token.is_comment()).collect();
    let is_type = |token: &Token| token.text.starts_with(|letter: char| letter.is_ascii_uppercase());
    let is_method = |part: &[&Token]| part[1].is(".") && part[3].is("(");
    let is_function = |part: &[&Token]| part[1].is("::") && is_type(part[0]);
    let uses = code.windows(4).filter(|part| is_method(part) || is_function(part));
    uses.filter(|part| part[2].kind == Kind::Word).map(|part| part[2].text).collect()
}
