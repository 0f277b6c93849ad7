//! One function for each fuzz target in `fuzz/`. It panics if the client violates a rule.
//!
//! Compiled with `--cfg fuzzing`, which cargo-fuzz sets, and for the unit test at the end, which runs every kept input.

mod auth_answer;
mod bytes;
mod envelope;
#[cfg(test)]
mod evil;
mod frame;
mod http_answer;
#[cfg(feature = "test-server")]
mod http_api;
mod lossy;
mod names;
mod proxy_answer;
mod session;
mod strict;
mod upgrade;
mod websocket;

pub use auth_answer::auth_answer;
pub use envelope::envelope;
pub use frame::frame;
pub use http_answer::http_answer;
#[cfg(feature = "test-server")]
pub use http_api::http_api;
pub use names::names;
pub use proxy_answer::proxy_answer;
pub use session::session;
pub use upgrade::upgrade;
pub use websocket::websocket;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    type Target = fn(&[u8]);

    const TARGETS: [(&str, Target); 10] = [
        ("auth_answer", auth_answer),
        ("envelope", envelope),
        ("frame", frame),
        ("http_answer", http_answer),
        ("http_api", http_api),
        ("names", names),
        ("proxy_answer", proxy_answer),
        ("session", session),
        ("upgrade", upgrade),
        ("websocket", websocket),
    ];

    #[test]
    fn every_kept_input_of_the_fuzzers_passes() {
        for (name, target) in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
            let files: Vec<_> = fs::read_dir(&folder).expect(name).flatten().map(|entry| entry.path()).collect();
            assert!(files.len() >= 10, "{name} has a corpus");
            for file in files {
                println!("{}", file.display());
                target(&fs::read(&file).expect("a readable file"));
            }
        }
    }
}
