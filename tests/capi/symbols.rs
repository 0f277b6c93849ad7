//! Nothing but the interface is exported.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::{declarations::HEADER, program::Library};

fn declared() -> BTreeSet<String> {
    HEADER.functions.iter().map(|function| function.name.clone()).collect()
}

/// What `nm` prints: lines of "NAME TYPE ...", each after its file when there are several.
fn nm(flags: &[&str], library: Library) -> Vec<String> {
    let output = Command::new("nm").args(flags).arg(library.path()).output().expect("nm runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_shared_library_exports_the_functions_of_the_header_and_nothing_else() {
    let lines = nm(&["-D", "--defined-only", "--format=posix"], Library::Shared);
    let exported = lines.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned());
    assert_eq!(exported.collect::<BTreeSet<_>>(), declared());
}

/// A static library is an archive of all crates, the standard library among them, and lets each object see what the
/// others have. What a program in C can take notice of, or stumble over, are the names that it could use itself: those
/// that are not mangled. They are the header's, beside those of the compiler's built-ins, which every compiler brings,
/// and of libraries in C that are linked into it.
#[test]
fn the_static_library_has_the_functions_of_the_header_and_no_other_name_that_c_could_use() {
    let lines = nm(&["--print-file-name", "--extern-only", "--defined-only", "--format=posix"], Library::Static);
    let mut exported = BTreeSet::new();
    // libpusher_channels.a[pusher_channels-HASH.pusher_channels.HASH-cgu.0.rcgu.o]: NAME TYPE ...
    for (file, rest) in lines.iter().filter_map(|line| line.split_once("]: ")) {
        let object = file.split_once('[').expect("an object").1;
        let name = rest.split(' ').next().unwrap_or_default();
        let is_of_rust = object.ends_with(".rcgu.o") && !object.starts_with("compiler_builtins-");
        let is_mangled = name.starts_with("_ZN") || name.starts_with("_R");
        let is_possible_in_c = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_of_rust && !is_mangled && is_possible_in_c {
            exported.insert(name.to_owned());
        }
    }
    assert_eq!(exported, declared());
}

/// `cargo rustc --crate-type` makes the libraries for C. A crate type in the manifest would make them for every Rust
/// program that uses the crate, too.
#[test]
fn the_manifest_names_no_crate_type() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("readable");
    assert!(!manifest.lines().any(|line| line.trim_start().starts_with("crate-type")));
    assert!(!manifest.lines().any(|line| line.trim_start().starts_with("crate_type")));
}
