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
    use std::{
        env, fs,
        path::{Path, PathBuf},
        process::{self, Command},
    };

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
            let (named, archived) = (named_inputs(name), archived_inputs(name));
            assert!(named.len() >= 15 && archived.len() >= 10, "{name}: {} and {}", named.len(), archived.len());
            for (path, input) in named.into_iter().chain(archived) {
                println!("{}", path.display());
                target(&input);
            }
        }
    }

    type Inputs = Vec<(PathBuf, Vec<u8>)>;

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    fn named_inputs(target: &str) -> Inputs {
        let mut inputs = inputs_in(&fuzz().join("seeds").join(target));
        let regressions = fuzz().join("regressions").join(target);
        if regressions.exists() {
            inputs.extend(inputs_in(&regressions));
        }
        inputs
    }

    fn archived_inputs(target: &str) -> Inputs {
        let archive = fuzz().join("corpus").join(target).with_extension("tar.gz");
        let folder = env::temp_dir().join(format!("pusher-channels-fuzz-{target}-{}", process::id()));
        fs::create_dir(&folder).expect("a new folder");
        let status = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder).status();
        assert!(status.expect("tar is installed").success(), "{}", archive.display());
        let inputs = inputs_in(&folder);
        fs::remove_dir_all(&folder).expect("the folder is removed");
        inputs
    }

    fn inputs_in(folder: &Path) -> Inputs {
        let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let paths = files.map(|file| file.expect("a readable folder").path());
        paths.map(|path| (path.clone(), fs::read(path).expect("a readable file"))).collect()
    }
}
