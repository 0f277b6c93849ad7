//! The header alone: both languages take it, and its numbers are unambiguous.

use std::{collections::BTreeMap, process::Command};

use crate::{
    declarations::{HEADER, header_path},
    program::tmp,
};

fn compiles_alone(compiler: &str, standard: &str, language: &str) {
    let output = Command::new(compiler)
        .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", language])
        .arg(header_path())
        .output()
        .expect("the compiler runs");
    // As a main file it is told of its include guard only by what these flags do not ask for.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn gcc_takes_it_as_c99() {
    compiles_alone("gcc", "-std=c99", "c");
}

#[test]
fn gpp_takes_it_as_cpp17() {
    compiles_alone("g++", "-std=c++17", "c++");
}

#[test]
fn it_may_be_included_twice() {
    let path = tmp().join("twice.c");
    std::fs::write(
        &path,
        "#include \"pusher_channels.h\"\n#include \"pusher_channels.h\"\nint main(void) { return 0; }\n",
    )
    .expect("a writable folder");
    let folder = header_path();
    let output = Command::new("gcc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
        .args([folder.parent().expect("a folder"), &path])
        .output()
        .expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn no_number_means_two_things() {
    for group in ["PUSHER_KIND_", "PUSHER_STATE_", "PUSHER_LOG_", ""] {
        let mut names = BTreeMap::new();
        for (name, number) in HEADER.constants.iter().filter(|(name, _)| group_of(name) == group) {
            if let Some(other) = names.insert(number, name) {
                panic!("{other} and {name} are both {number}");
            }
        }
        assert!(names.len() > 5, "the numbers of `{group}` were found");
    }
}

/// What is in none of the other groups.
pub(crate) fn is_result(name: &str) -> bool {
    group_of(name).is_empty()
}

/// Numbers may be the same in different groups.
fn group_of(name: &str) -> &'static str {
    let groups = ["PUSHER_KIND_", "PUSHER_STATE_", "PUSHER_LOG_", "PUSHER_ABI_VERSION"];
    groups.into_iter().find(|group| name.starts_with(group)).unwrap_or_default()
}

#[test]
fn every_handle_that_is_made_can_be_freed() {
    let made: Vec<_> = HEADER.functions.iter().flat_map(|function| &function.parameters).collect();
    let made = made.iter().filter_map(|parameter| parameter.is_out()?.strip_suffix('*'));
    // What is `const` is borrowed.
    for handle in made.filter(|handle| handle.starts_with("pusher_")) {
        assert_eq!(HEADER.function(&format!("{handle}_free")).result, "void");
    }
}
