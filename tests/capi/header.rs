//! The header: C and C++ compile it, its numbers are unambiguous and have names, and `frozen.txt` holds every constant and
//! every signature of it, because programs were compiled with them.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::{
    declarations::{Declarations, HEADER, header_path},
    program::{Library, Program, Tool, tmp},
};

const RULE: &str = "Programs were compiled with the lines of tests/capi/frozen.txt. None of them may be changed or \
                    removed unless the major number of PUSHER_ABI_VERSION rises. An addition raises the minor number \
                    and is appended below a heading `# major.minor`.";

/// The only constant that changes.
const VERSION: &str = "PUSHER_ABI_VERSION";

fn compiles_alone(compiler: &str, standard: &str, language: &str) {
    let output = Command::new(compiler)
        .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", language])
        .arg(header_path())
        .output()
        .expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn gcc_compiles_the_header_as_c99() {
    compiles_alone("gcc", "-std=c99", "c");
}

#[test]
fn gpp_compiles_the_header_as_cpp17() {
    compiles_alone("g++", "-std=c++17", "c++");
}

#[test]
fn the_header_may_be_included_twice() {
    let path = tmp().join("twice.c");
    fs::write(&path, "#include \"pusher_channels.h\"\n#include \"pusher_channels.h\"\nint main(void) { return 0; }\n")
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
fn every_number_has_one_meaning() {
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

/// The constants without another group are results.
fn is_result(name: &str) -> bool {
    group_of(name).is_empty()
}

/// The prefix of the names of a group. Constants of different groups may have the same number.
fn group_of(name: &str) -> &'static str {
    let groups = ["PUSHER_KIND_", "PUSHER_STATE_", "PUSHER_LOG_", "PUSHER_ABI_VERSION"];
    groups.into_iter().find(|group| name.starts_with(group)).unwrap_or_default()
}

#[test]
fn every_handle_that_is_made_can_be_freed() {
    let made: Vec<_> = HEADER.functions.iter().flat_map(|function| &function.parameters).collect();
    let made = made.iter().filter_map(|parameter| parameter.is_out()?.strip_suffix('*'));
    // A handle that is `const` is borrowed.
    for handle in made.filter(|handle| handle.starts_with("pusher_")) {
        assert_eq!(HEADER.function(&format!("{handle}_free")).result, "void");
    }
}

#[test]
fn every_result_has_the_name_that_the_header_gives_it() {
    let mut text = String::from("#include \"check.h\"\n\nint main(void) {\n    const char *name;\n");
    let results: Vec<_> = HEADER.constants.iter().filter(|(name, _)| is_result(name)).collect();
    assert!(results.len() > 40, "the results were found");
    for (name, _) in &results {
        text += &format!("    OK(pusher_result_name({name}, &name));\n    CHECK(strcmp(name, \"{name}\") == 0);\n");
    }
    let without_a_name = (-1..1000).filter(|number| !results.iter().any(|(_, result)| result == number));
    for number in without_a_name {
        text += &format!("    GIVES(pusher_result_name({number}, &name), PUSHER_NOTHING);\n");
    }
    text += "    return 0;\n}\n";
    Program::generated("names", &text, Library::Shared, Tool::Plain).succeeds([""; 0]);
}

/// Options and the bindings of other languages use these names.
#[test]
fn every_state_and_kind_has_its_name_in_lower_case() {
    let mut text = String::from("#include \"check.h\"\n\nint main(void) {\n    const char *name;\n");
    for (prefix, function) in [("PUSHER_STATE_", "pusher_state_name"), ("PUSHER_KIND_", "pusher_kind_name")] {
        let constants: Vec<_> =
            HEADER.constants.iter().filter_map(|(name, _)| Some((name, name.strip_prefix(prefix)?))).collect();
        assert!(constants.len() > 5, "the numbers were found");
        for (constant, name) in constants {
            let name = name.to_lowercase();
            text += &format!("    OK({function}({constant}, &name));\n    CHECK(strcmp(name, \"{name}\") == 0);\n");
        }
        text += &format!("    GIVES({function}(-1, &name), PUSHER_NOTHING);\n");
        text += &format!("    GIVES({function}(99, &name), PUSHER_NOTHING);\n");
    }
    text += "    return 0;\n}\n";
    Program::generated("words", &text, Library::Shared, Tool::Plain).succeeds([""; 0]);
}

fn frozen() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capi/frozen.txt");
    fs::read_to_string(path).expect("a readable file")
}

/// The declarations as lines of `frozen.txt`.
fn lines_of(declarations: &Declarations) -> Vec<String> {
    let constants = declarations.constants.iter().filter(|(name, _)| name != VERSION);
    let constants = constants.map(|(name, number)| format!("{name} = {number}"));
    let functions = declarations.functions.iter().map(ToString::to_string);
    let callbacks = declarations.callbacks.values().map(|callback| format!("typedef {callback}"));
    constants.chain(callbacks).chain(functions).collect()
}

#[test]
fn no_frozen_declaration_has_changed() {
    let declared = lines_of(&HEADER);
    let frozen = frozen();
    let frozen = frozen.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lost: Vec<_> = frozen.filter(|line| !declared.iter().any(|declared| declared == line)).collect();
    assert!(lost.is_empty(), "{RULE}\nThe header lacks:\n{}\n", lost.join("\n"));
}

#[test]
fn every_declaration_is_frozen() {
    let frozen = frozen();
    let new: Vec<_> =
        lines_of(&HEADER).into_iter().filter(|line| !frozen.lines().any(|frozen| frozen == line)).collect();
    assert!(new.is_empty(), "{RULE}\nNot frozen yet:\n{}\n", new.join("\n"));
}

#[test]
fn the_version_of_the_header_is_that_of_the_last_addition() {
    let frozen = frozen();
    let last = frozen.lines().filter_map(|line| line.strip_prefix("# ")).next_back().expect("a heading");
    let version = HEADER.constants.iter().find(|(name, _)| name == VERSION).expect("a version").1;
    assert_eq!(last, format!("{}.{}", version >> 16, version & 0xffff), "{RULE}");
}
