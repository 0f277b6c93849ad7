//! The results of the long unit tests, for the table that `tests/run survival` prints.

use std::{env, fmt::Display, fs, path::Path};

/// Writes a measured value with its limit to the folder in `PUSHER_FIGURES`, if that is set. The test asserts the limit
/// before it records.
pub(crate) fn record(what: &str, measured: impl Display, demanded: &str) {
    let Some(folder) = env::var_os("PUSHER_FIGURES") else { return };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).expect("a writable folder");
    let slug: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    fs::write(folder.join(slug), format!("{what}\t{measured}\t{demanded}\n")).expect("a writable folder");
}
