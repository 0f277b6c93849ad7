//! Compiles programs in C against the library, and runs them: alone, under valgrind, and with AddressSanitizer.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use pusher_channels::testing::TestServer;

use crate::declarations::header_path;

/// The longest time that a program may run. Under valgrind, a program takes up to two minutes; one that hangs takes longer.
const WATCHDOG_SECONDS: &str = "420";

/// The exit status of a program in which valgrind or AddressSanitizer has found an error.
const ERRORS_FOUND: &str = "99";

/// The encryption key of the server, as the server takes it and as programs give it.
const MASTER_KEY: [u8; 32] = [7; 32];
const MASTER_KEY_IN_BASE64: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// Makes one test for each tool: `a_wait_ends: run, [plain, valgrind];` makes `a_wait_ends::plain` and
/// `a_wait_ends::valgrind`. `run` is a function, or a closure that captures nothing, of a [`Tool`].
macro_rules! tests_with_tools {
    ($($(#[$attribute:meta])* $behaviour:ident: $run:expr, [$($tool:ident),+];)+) => {$(
        $(#[$attribute])*
        mod $behaviour {
            use super::*;

            $(
                #[test]
                fn $tool() {
                    let run: fn($crate::program::Tool) = $run;
                    run($crate::program::tool!($tool));
                }
            )+
        }
    )+};
}

macro_rules! tool {
    (plain) => {
        $crate::program::Tool::Plain
    };
    (valgrind) => {
        $crate::program::Tool::Valgrind
    };
    (address_sanitizer) => {
        $crate::program::Tool::AddressSanitizer
    };
}

pub(crate) use {tests_with_tools, tool};

/// A build of the library. `tests/run capi` puts its path into an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Shared,
    Static,
    /// The functions that PUSHER_PANIC names panic, and a panic unwinds.
    Unwind,
    /// The functions that PUSHER_PANIC names panic, and a panic ends the process.
    Abort,
}

/// The tool that checks a program while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// No tool.
    Plain,
    /// The program has 0 errors and 0 definite leaks.
    Valgrind,
    /// The program has 0 errors and 0 leaks.
    AddressSanitizer,
}

impl Library {
    pub(crate) fn path(self) -> PathBuf {
        let variable = match self {
            Self::Shared => "PUSHER_CAPI_SHARED",
            Self::Static => "PUSHER_CAPI_STATIC",
            Self::Unwind => "PUSHER_CAPI_UNWIND",
            Self::Abort => "PUSHER_CAPI_ABORT",
        };
        env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set; run tests/run capi")).into()
    }

    /// Arguments of the linker: the library, and for the static one the libraries that it needs.
    fn link(self) -> Vec<String> {
        let path = self.path().to_str().expect("a UTF-8 path").to_owned();
        match self {
            Self::Static => {
                [&*path, "-lssl", "-lcrypto", "-lgcc_s", "-lutil", "-lrt", "-lm", "-ldl"].map(String::from).into()
            }
            _ => vec![path],
        }
    }
}

/// A compiled program.
pub(crate) struct Program {
    path: PathBuf,
    tool: Tool,
}

impl Program {
    /// Compiles a program of the folder `programs`.
    pub(crate) fn written(name: &str, library: Library, tool: Tool) -> Self {
        Self::compile(name, &programs().join(name).with_extension("c"), library, tool, &[])
    }

    /// Compiles a program of the folder `programs` under another name. Tests that share a program run at the same time, and
    /// must not write the same file.
    pub(crate) fn named(name: &str, source: &str, tool: Tool) -> Self {
        Self::compile(name, &programs().join(source).with_extension("c"), Library::Shared, tool, &[])
    }

    /// Compiles a program whose text a test has made.
    pub(crate) fn generated(name: &str, text: &str, library: Library, tool: Tool) -> Self {
        let source = tmp().join(format!("{name}-{library:?}-{tool:?}.c"));
        fs::write(&source, text).expect("a writable folder");
        Self::compile(name, &source, library, tool, &[])
    }

    pub(crate) fn compile(name: &str, source: &Path, library: Library, tool: Tool, flags: &[&str]) -> Self {
        let path = tmp().join(format!("{name}-{library:?}-{tool:?}"));
        let sanitizer: &[&str] = if tool == Tool::AddressSanitizer { &["-fsanitize=address"] } else { &[] };
        let header = header_path();
        let output = Command::new("gcc")
            .args(["-std=gnu11", "-g", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror"])
            .args(sanitizer)
            .args(flags)
            .arg("-I")
            .arg(header.parent().expect("the header's folder"))
            .arg("-I")
            .arg(programs())
            .arg(source)
            .args(library.link())
            .arg("-o")
            .arg(&path)
            .output()
            .expect("gcc runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gcc fails for {}:\n{stderr}", source.display());
        Self { path, tool }
    }

    /// The command that runs the program. A test may add environment variables.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("timeout");
        command.arg(WATCHDOG_SECONDS);
        if self.tool == Tool::Valgrind {
            command.args(["valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
            command.arg("--show-leak-kinds=definite").arg(format!("--error-exitcode={ERRORS_FOUND}"));
            // Valgrind runs one thread at a time. Without this flag, a busy thread may keep all others from running.
            command.arg("--fair-sched=yes");
        }
        command.env("ASAN_OPTIONS", format!("detect_leaks=1:exitcode={ERRORS_FOUND}"));
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        command.arg(&self.path).args(arguments);
        command
    }

    /// Runs the program, which must succeed.
    pub(crate) fn succeeds<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let output = self.command(arguments).output().expect("it runs");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let name = self.path.file_name().expect("a name").to_string_lossy();
        assert!(output.status.success(), "{name}: {}\n{stdout}\n{stderr}", output.status);
        output
    }
}

/// The folder in which programs are written and compiled.
pub(crate) fn tmp() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("capi");
    fs::create_dir_all(&folder).expect("a writable folder");
    folder
}

pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capi/programs")
}

/// The server that `programs/world.h` expects, with keys for encrypted channels. Two cache channels have an event already, so
/// that a client gets it as soon as it has subscribed.
pub(crate) fn server() -> TestServer {
    let builder = TestServer::builder().encryption_master_key(MASTER_KEY).client_event_rate(100_000);
    let server = builder.start().expect("a free port on loopback");
    server.trigger("cache-news", "published", "hello");
    server.trigger("private-encrypted-cache-safe", "published", "hello");
    server
}

/// The arguments by which a program finds the server: host, port, key, secret, master key.
pub(crate) fn arguments(server: &TestServer) -> Vec<String> {
    let port = server.port().to_string();
    ["127.0.0.1", &port, server.key(), server.secret(), MASTER_KEY_IN_BASE64].map(String::from).into()
}
