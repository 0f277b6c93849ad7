//! Nothing but the interface is exported.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::{declarations::HEADER, program::Library};

fn declared() -> BTreeSet<String> {
    HEADER.functions.iter().map(|function| function.name.clone()).collect()
}

/// The lines of `nm`, in the format "NAME TYPE ...", each with the file before it when there are several.
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

/// A static library is an archive of all crates, the standard library among them, and of each the linker has to see
/// what the others use. So what counts is: which names did this crate's own objects give away without mangling?
#[test]
fn the_static_library_exports_the_functions_of_the_header_and_nothing_else_of_this_crate() {
    let lines = nm(&["--print-file-name", "--extern-only", "--defined-only", "--format=posix"], Library::Static);
    let mut exported = BTreeSet::new();
    for line in &lines {
        // libpusher_channels.a[pusher_channels-HASH.pusher_channels.HASH-cgu.0.rcgu.o]: NAME TYPE ...
        let (file, rest) = line.split_once(": ").expect("a file");
        let object = file.split_once('[').expect("an object").1;
        let name = rest.split(' ').next().unwrap_or_default();
        let is_mangled = name.starts_with("_ZN") || name.starts_with("_R");
        if name.starts_with("pusher_") || (object.starts_with("pusher_channels") && !is_mangled) {
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
