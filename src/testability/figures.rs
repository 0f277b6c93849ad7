//! What the long tests of this crate measured, for the table that `tests/survival/run` prints.

use std::{env, fmt::Display, fs, path::Path};

/// Notes what was measured beside what is demanded, in the folder that `PUSHER_FIGURES` names, if it is set. The test
/// asserts before it records.
pub(crate) fn record(what: &str, measured: impl Display, demanded: &str) {
    let Some(folder) = env::var_os("PUSHER_FIGURES") else { return };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).expect("a writable folder");
    let slug: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    fs::write(folder.join(slug), format!("{what}\t{measured}\t{demanded}\n")).expect("a writable folder");
}
