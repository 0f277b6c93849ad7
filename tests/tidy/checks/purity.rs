//! The core is pure, only `io` reads the clock, few files catch panics, and only the C interface is unsafe.

use std::collections::BTreeSet;

use crate::{
    assert_known,
    measure::{
        lexer::{Kind, Token, tokens},
        scopes::Scope,
        sources::Source,
    },
    repository::{library, production},
};

/// The folders whose code is pure: its results depend on its arguments alone.
const PURE: [&str; 3] = ["delivery", "protocol", "session"];

/// Names that a pure module does not use: sockets, threads, channels, locks, atomics, clocks.
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

/// A type with a value that other threads change. A pure module passes a `Stamp` of it on.
const SHARED_TYPE: &str = "Intent";

/// Methods of intents, stamps and batches that read or change such a value.
const SHARED_METHODS: [&str; 10] = [
    "activate",
    "epoch",
    "intent",
    "is_active",
    "is_current",
    "is_wanted",
    "members_changes",
    "notices_of_channels",
    "stamp",
    "withdraw",
];

/// The first use of a value that other threads change: its type, a call of a method, or a path to one.
fn shared_value(code: &[Token]) -> Option<&Token> {
    let is_method = |token: &Token| SHARED_METHODS.iter().any(|method| token.is(method));
    let is_call = |before: &Token, after: &Token| before.is(".") && after.is("(");
    let used = code.windows(3).find(|three| match three {
        [before, token, after] => is_method(token) && (is_call(before, after) || before.is("::")),
        _ => false,
    });
    code.iter().find(|token| token.is(SHARED_TYPE)).or(used.map(|three| &three[1]))
}

/// Every path and every name of the code, with the members of a `use` group as a path each.
fn names(source: &Source) -> Vec<String> {
    let mut names: Vec<String> =
        source.code.iter().filter(|token| token.kind == Kind::Word).map(|token| token.text.to_owned()).collect();
    for section in source.sections() {
        let scope = Scope::new(&section.code);
        let uses = scope.uses.iter().map(|import| &import.path);
        names.extend(uses.chain(&scope.paths).map(|path| path.join("::")));
    }
    names
}

#[test]
fn the_core_is_pure() {
    for source in production().filter(|source| PURE.contains(&source.top())) {
        for name in names(source) {
            let impure = IMPURE.iter().find(|impure| name.contains(**impure));
            assert_eq!(impure, None, "{} names `{name}`", source.path);
        }
        let shared = shared_value(&source.code);
        assert_eq!(shared, None, "{} uses a value that other threads change", source.path);
    }
}

#[test]
fn uses_of_shared_values_are_found() {
    let found = |text| shared_value(&tokens(text)).map(|token| token.text);
    assert_eq!(found("let intent = Intent::new(id, name);"), Some("Intent"));
    assert_eq!(found("use crate::event::{Batch, Intent};"), Some("Intent"));
    for method in SHARED_METHODS {
        let call: &str = format!("if stamp.part.{method}() {{ }}").leak();
        assert_eq!(found(call), Some(method));
    }
    assert_eq!(found("stamps.all(Stamp::is_current)"), Some("is_current"));
}

#[test]
fn values_that_stay_the_same_are_no_shared_values() {
    for text in ["channel.epoch.was_active()", "is_current(&channel)", "IntentId::USER", "IntentChange { intent }"] {
        assert_eq!(shared_value(&tokens(text)), None, "{text}");
    }
}

#[test]
fn only_io_reads_the_clock() {
    // Beside those that are no part of the client, the C interface: it waits for answers of the program.
    let may_read = |source: &Source| {
        ["io", "capi", "testing", "testability"].contains(&source.top()) || source.path.starts_with("session/tests/")
    };
    for source in library().iter().filter(|source| !may_read(source)) {
        assert!(!names(source).iter().any(|name| name.contains("Instant::now")), "{}", source.path);
    }
}

/// The files that catch panics: one for the program's code, and the last frames of the threads and of C calls.
const CATCHING: [&str; 5] = [
    "user_code.rs",
    "io/threads/heartbeat.rs",
    "io/threads/reader.rs",
    "capi/ffi/boundary.rs",
    // The server runs closures of its own users.
    "testing/http/auth_endpoint.rs",
];

/// `record` catches the panics of loggers. The server logs on threads of its own, and the C interface inside of a catch.
#[test]
fn the_client_logs_by_the_macro_that_catches_panics() {
    let is_bound = |source: &&Source| !matches!(source.top(), "user_code" | "testing" | "capi");
    const MACROS: [&str; 6] = ["log::error", "log::warn", "log::info", "log::debug", "log::trace", "log::log"];
    let logs = |source: &&Source| names(source).iter().any(|name| MACROS.contains(&name.as_str()));
    let logging: Vec<_> = production().filter(is_bound).filter(logs).map(|source| source.path).collect();
    assert!(logging.is_empty(), "{logging:?}");
}

#[test]
fn panics_are_caught_in_one_place() {
    let catches = |source: &&Source| names(source).iter().any(|name| name.contains("catch_unwind"));
    let catching: BTreeSet<_> = production().filter(|source| catches(source)).map(|source| source.path).collect();
    assert_known(catching, CATCHING);
}

#[test]
fn nothing_is_left_to_do() {
    for source in library() {
        for pair in source.tokens.windows(2) {
            let is_left = ["todo", "unimplemented", "dbg"].contains(&pair[0].text) && pair[1].is("!");
            assert!(!is_left, "{}:{}: `{}!`", source.path, pair[0].line, pair[0].text);
        }
    }
}

#[test]
fn only_the_c_interface_is_unsafe() {
    for source in library().iter().filter(|source| source.top() != "capi") {
        let words = source.tokens.iter().filter(|token| token.kind == Kind::Word);
        let is_root = source.module.is_empty();
        let mut refused = words.filter(|word| word.text == "unsafe" || word.text == "unsafe_code" && !is_root);
        assert_eq!(refused.next(), None, "{}", source.path);
    }
    let root = library().iter().find(|source| source.module.is_empty()).expect("the root").text;
    assert!(root.contains("#![cfg_attr(not(feature = \"capi\"), forbid(unsafe_code))]"));
    assert!(root.contains("#![cfg_attr(feature = \"capi\", deny(unsafe_code))]"));
    assert_eq!(root.matches("unsafe_code").count(), 2);
}
