//! The figures of a run, one file each. The script prints them as a table at the end.

use std::{fmt::Display, fs, path::Path};

/// Records a measured figure and its limit. The test asserts the limit before.
pub(crate) fn record(what: &str, measured: impl Display, demanded: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures");
    fs::create_dir_all(&folder).expect("a writable target folder");
    let slug: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    fs::write(folder.join(slug), format!("{what}\t{measured}\t{demanded}\n")).expect("a writable target folder");
}
