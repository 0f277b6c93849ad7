//! Compiles programs in C against the library, and runs them: as they are, under valgrind, with AddressSanitizer.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::declarations::header_path;

/// How long a program may run. Only one that hangs does; those under valgrind take a minute or two.
const WATCHDOG_SECONDS: &str = "420";

/// What valgrind and AddressSanitizer make a program's exit status when they have found something.
const FOUND_SOMETHING: &str = "99";

/// Which build of the library, by the variable in which `tests/run capi` names its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Shared,
    Static,
    /// Where the functions that PUSHER_PANIC names panic, and a panic unwinds.
    Unwind,
    /// The same, and a panic ends the process.
    Abort,
}

/// Who looks on while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Nobody,
    /// 0 errors and 0 definite leaks.
    Valgrind,
    /// 0 errors and 0 leaks.
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

    /// What the linker needs to find it, and, of the static one, what it needs itself.
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
    watch: Watch,
}

impl Program {
    /// One of `programs/`.
    pub(crate) fn written(name: &str, library: Library, watch: Watch) -> Self {
        Self::compile(name, &programs().join(name).with_extension("c"), library, watch, &[])
    }

    /// One of `programs/`, under a name of this test's own, because tests run at the same time.
    pub(crate) fn named(name: &str, source: &str, watch: Watch) -> Self {
        Self::compile(name, &programs().join(source).with_extension("c"), Library::Shared, watch, &[])
    }

    /// One whose text a test has made.
    pub(crate) fn generated(name: &str, text: &str, library: Library, watch: Watch) -> Self {
        let source = tmp().join(format!("{name}-{library:?}-{watch:?}.c"));
        fs::write(&source, text).expect("a writable folder");
        Self::compile(name, &source, library, watch, &[])
    }

    pub(crate) fn compile(name: &str, source: &Path, library: Library, watch: Watch, flags: &[&str]) -> Self {
        let path = tmp().join(format!("{name}-{library:?}-{watch:?}"));
        let sanitizer: &[&str] = if watch == Watch::AddressSanitizer { &["-fsanitize=address"] } else { &[] };
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
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gcc, of {}:\n{said}", source.display());
        Self { path, watch }
    }

    /// The command to run it by, to which a test may add variables.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("timeout");
        command.arg(WATCHDOG_SECONDS);
        if self.watch == Watch::Valgrind {
            command.args(["valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
            command.arg("--show-leak-kinds=definite").arg(format!("--error-exitcode={FOUND_SOMETHING}"));
            // Else one thread may hold the only place on the processor for as long as it has something to do.
            command.arg("--fair-sched=yes");
        }
        command.env("ASAN_OPTIONS", format!("detect_leaks=1:exitcode={FOUND_SOMETHING}"));
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        command.arg(&self.path).args(arguments);
        command
    }

    /// Runs it to its end, which is to be a good one.
    pub(crate) fn succeeds<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let output = self.command(arguments).output().expect("it runs");
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let name = self.path.file_name().expect("a name").to_string_lossy();
        assert!(output.status.success(), "{name}: {}\n{said}\n{complained}", output.status);
        output
    }
}

/// Where programs are written and compiled.
pub(crate) fn tmp() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("capi");
    fs::create_dir_all(&folder).expect("a writable folder");
    folder
}

pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capi/programs")
}
