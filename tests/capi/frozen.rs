//! What programs were built with is never changed: `frozen.txt` holds every constant and every signature.

use std::{fs, path::Path};

use crate::declarations::{Declarations, HEADER};

const RULE: &str = "Programs were built with what tests/capi/frozen.txt holds. Nothing in it is ever changed or taken \
                    away, unless the major number of PUSHER_ABI_VERSION rises. What is new raises the minor number \
                    and is appended, below a heading `# major.minor`.";

/// The version itself is the one number that changes.
const VERSION: &str = "PUSHER_ABI_VERSION";

fn frozen() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capi/frozen.txt");
    fs::read_to_string(path).expect("a readable file")
}

/// Each as a line of the file.
fn lines_of(declarations: &Declarations) -> Vec<String> {
    let constants = declarations.constants.iter().filter(|(name, _)| name != VERSION);
    let constants = constants.map(|(name, number)| format!("{name} = {number}"));
    let functions = declarations.functions.iter().map(ToString::to_string);
    let callbacks = declarations.callbacks.values().map(|callback| format!("typedef {callback}"));
    constants.chain(callbacks).chain(functions).collect()
}

#[test]
fn nothing_that_was_frozen_has_changed() {
    let declared = lines_of(&HEADER);
    let frozen = frozen();
    let frozen = frozen.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lost: Vec<_> = frozen.filter(|line| !declared.iter().any(|declared| declared == line)).collect();
    assert!(lost.is_empty(), "{RULE}\nThe header does not have any more:\n{}\n", lost.join("\n"));
}

#[test]
fn everything_is_frozen() {
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
