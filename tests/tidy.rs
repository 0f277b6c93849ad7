//! Checks of the source itself: imports go one way, the core is pure, nothing is unsafe.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The layers of `src`, from the bottom. A file may use its own layer and those below.
const LAYERS: [&[&str]; 11] = [
    &["surrogates", "wiped", "quiet", "sync"],
    // The types that users receive: changes of state carry errors, and an error names the state.
    &["error", "event"],
    &["auth"],
    &["protocol"],
    &["session"],
    &["config"],
    &["io"],
    &["client", "channel", "user", "client_event", "receiver", "stats", "weak"],
    &["capi"],
    &["testing"],
    &["testability"],
];

/// Where the names that the crate's root exports come from.
const EXPORTS: [(&str, &[&str]); 11] = [
    ("error", &["Error", "ConnectPhase", "ProxyProblem", "Source", "TlsProblem"]),
    (
        "event",
        &[
            "AnySender",
            "ConnectionState",
            "ConnectionStateChange",
            "DecryptionError",
            "DecryptionFailure",
            "Event",
            "Member",
            "MemberChange",
            "Name",
            "Notification",
            "NotificationKind",
            "SubscriptionCount",
            "SubscriptionError",
            "SubscriptionSucceeded",
            "WatchlistEvent",
        ],
    ),
    ("auth", &["AuthError", "AuthRequest", "ChannelAuth", "HttpAuth", "SubscribeOptions", "UserAuth"]),
    ("session", &["Reconnect"]),
    ("config", &["ByteStream", "Config", "DialRequest", "DispatchBudget", "Overflow"]),
    ("client", &["Binding", "Pusher"]),
    ("channel", &["Channel"]),
    ("user", &["User"]),
    ("stats", &["Stats"]),
    (
        "receiver",
        &[
            "Closed",
            "EventReceiver",
            "IntoEvents",
            "IntoIter",
            "Iter",
            "PollableReceiver",
            "Receiver",
            "ReceiverOptions",
            "RecvTimeoutError",
            "TryRecvError",
        ],
    ),
    ("weak", &["WeakChannel", "WeakPusher"]),
];

/// What a pure module does not name: sockets, threads, channels, locks, clocks.
const IMPURE: [&str; 16] = [
    "std::net",
    "std::thread",
    "std::io",
    "std::fs",
    "Mutex",
    "RwLock",
    "Condvar",
    "Atomic",
    "crossbeam",
    "parking_lot",
    "Instant::now",
    "SystemTime",
    "tungstenite",
    "native_tls",
    "socket2",
    "sleep",
];

struct Source {
    /// Relative to `src`.
    path: PathBuf,
    /// Without comments and without unit tests.
    code: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        let first = self.path.iter().next().and_then(|part| part.to_str()).expect("a UTF-8 path");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn layer(&self) -> usize {
        layer_of(self.module()).unwrap_or_else(|| panic!("{} belongs to no layer", self.path.display()))
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.len() > 30, "the sources were found");
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        let is_unit_test = path.ends_with("session/tests") || path.ends_with("io/interleavings");
        if is_unit_test {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable file");
            let path = path.strip_prefix(root).expect("below the root").to_owned();
            sources.push(Source { path, code: code_of(&text) });
        }
    }
}

/// Leaves comments away, and everything from the unit tests on, which stand last in a file.
fn code_of(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code: Vec<_> = lines.collect();
    let end = code.windows(2).position(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod tests {"));
    code[..end.unwrap_or(code.len())].join("\n")
}

/// The modules, or exported names, that follow `crate::` anywhere in the code.
fn named_after_crate(code: &str) -> Vec<&str> {
    code.match_indices("crate::").flat_map(|(start, marker)| first_names(&code[start + marker.len()..])).collect()
}

/// `a::b` gives `a`; `{a::{b, c}, d}` gives `a` and `d`.
fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut at_start = true;
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if character.is_whitespace() => {}
            _ if at_start && depth == 0 => {
                names.push(identifier(&group[index..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[test]
fn names_after_crate_are_found() {
    let code = "use crate::{\n    a::{b, c},\n    D, e::f,\n};\nfn x() { crate::g::h() }";
    assert_eq!(named_after_crate(code), ["a", "D", "e", "g"]);
}

#[test]
fn imports_go_one_way() {
    for source in sources().iter().filter(|source| source.module() != "lib") {
        for name in named_after_crate(&source.code) {
            let exported = EXPORTS.iter().find(|(_, names)| names.contains(&name)).map(|(module, _)| *module);
            let module = exported.unwrap_or(name);
            let layer =
                layer_of(module).unwrap_or_else(|| panic!("{}: `crate::{name}` is unknown", source.path.display()));
            assert!(layer <= source.layer(), "{} imports `{name}` from a layer above", source.path.display());
        }
    }
}

#[test]
fn the_server_shares_no_code_with_the_client_that_it_tests() {
    for source in sources().iter().filter(|source| source.module() == "testing") {
        for name in named_after_crate(&source.code) {
            assert!(["testing", "Config"].contains(&name), "{} uses `{name}`", source.path.display());
        }
    }
}

#[test]
fn the_core_is_pure() {
    for source in sources().iter().filter(|source| ["protocol", "session"].contains(&source.module())) {
        for word in IMPURE {
            assert!(!source.code.contains(word), "{} names `{word}`", source.path.display());
        }
    }
}

#[test]
fn only_io_reads_the_clock() {
    // Beside those that are no part of the client, the C interface: it waits for answers of the program.
    for source in sources().iter().filter(|source| !["io", "capi", "testing", "testability"].contains(&source.module()))
    {
        assert!(!source.code.contains("Instant::now"), "{}", source.path.display());
    }
}

#[test]
fn nothing_is_left_to_do() {
    for source in sources() {
        for word in ["todo!", "unimplemented!", "dbg!"] {
            assert!(!source.code.contains(word), "{} has `{word}`", source.path.display());
        }
    }
}

#[test]
fn only_the_c_interface_is_unsafe() {
    for source in sources().iter().filter(|source| source.module() != "capi") {
        for word in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "#[unsafe(", "allow(unsafe_code"] {
            assert!(!source.code.contains(word), "{} has `{word}`", source.path.display());
        }
    }
    let root = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("a readable file");
    assert!(root.contains("#![cfg_attr(not(feature = \"capi\"), forbid(unsafe_code))]"));
    assert!(root.contains("#![cfg_attr(feature = \"capi\", deny(unsafe_code))]"));
}

/// A row that is wrapped becomes two rows, one of them in the wrong columns.
#[test]
fn each_row_of_a_table_is_one_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_dir(root.join("src/guide")).expect("the guide").map(|entry| entry.expect("a file").path());
    for path in guide.chain(["README.md", "CHANGELOG.md"].map(|name| root.join(name))) {
        let text = fs::read_to_string(&path).expect("text");
        let mut is_in_table = false;
        for line in text.lines() {
            assert!(!line.starts_with('|') || line.ends_with('|'), "{}: {line}", path.display());
            assert!(!is_in_table || line.is_empty() || line.starts_with('|'), "{}: {line}", path.display());
            is_in_table = line.starts_with('|');
        }
    }
}

#[test]
fn the_readme_begins_with_the_quickstart() {
    let quickstart = include_str!("../examples/quickstart.rs");
    let code = quickstart.split_once("\n\n").expect("a line of documentation first").1;
    let readme = include_str!("../README.md");
    assert_eq!(readme.split("```").nth(1), Some(&*format!("rust\n{code}")));
    assert!(quickstart.lines().count() <= 40);
}
