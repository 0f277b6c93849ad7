//! Checks that the table of calls has every public method of a handle, by the text of the sources.
#![cfg(test)]

use std::{collections::BTreeSet, fs, path::Path};

use super::CALLS;

/// The types whose public methods are in the table.
const HANDLES: [&str; 9] =
    ["Pusher", "WeakPusher", "Channel", "WeakChannel", "User", "Binding", "Receiver", "EventReceiver", "Event"];

#[test]
fn the_table_has_every_public_method_of_a_handle() {
    let called: BTreeSet<&str> = CALLS.iter().flat_map(|call| call.methods.split(" + ")).collect();
    let mut source = String::new();
    read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
    let methods = methods_of(&source);
    for handle in HANDLES {
        assert!(methods.iter().any(|method| method.starts_with(&format!("{handle}::"))), "{handle} was found");
    }
    let missing: Vec<_> = methods.iter().filter(|method| !called.contains(&***method)).collect();
    assert!(missing.is_empty(), "add to CALLS: {missing:?}");
}

/// Appends all sources of a folder.
fn read_all(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, source);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *source += &fs::read_to_string(&path).expect("a readable file");
        }
    }
}

/// The public methods of the handles, as `Handle::method`. A macro adds its methods to the handle in whose `impl` it is
/// invoked, or to the handles that its invocation names.
fn methods_of(source: &str) -> BTreeSet<String> {
    let mut methods = BTreeSet::new();
    let macros: Vec<_> = blocks(source, "macro_rules! ").map(|(head, body)| (head, public_functions(body))).collect();
    for (head, body) in blocks(source, "impl") {
        let Some(handle) = HANDLES.into_iter().find(|handle| is_inherent_impl(head, handle)) else { continue };
        methods.extend(public_functions(body).iter().map(|name| format!("{handle}::{name}")));
        for (_, names) in macros.iter().filter(|(name, _)| body.contains(&format!("    {name}!"))) {
            methods.extend(names.iter().map(|method| format!("{handle}::{method}")));
        }
    }
    for (name, names) in &macros {
        for (head, body) in blocks(source, &format!("{name}!")) {
            let words = words_outside_of_texts(&format!("{head}\n{body}"));
            for handle in HANDLES.into_iter().filter(|handle| words.contains(*handle)) {
                methods.extend(names.iter().map(|method| format!("{handle}::{method}")));
            }
        }
    }
    methods
}

/// The words of some code, without those of comments and of string literals.
fn words_outside_of_texts(code: &str) -> BTreeSet<String> {
    let lines: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let outside = lines.split('"').step_by(2);
    outside.flat_map(|code| code.split(|c: char| !c.is_alphanumeric())).map(str::to_owned).collect()
}

/// The items that begin with the marker at the beginning of a line: the rest of that line without its last brace, and the
/// lines up to the one that closes the item.
fn blocks<'a>(source: &'a str, marker: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let starts = source.match_indices(marker).filter(|(at, _)| *at == 0 || source[..*at].ends_with('\n'));
    starts.map(move |(at, _)| {
        let (head, rest) = source[at + marker.len()..].split_once('\n').unwrap_or_default();
        let end = rest.find("\n}").or_else(|| rest.find("\n)")).unwrap_or(rest.len());
        (head.trim_end_matches([' ', '{', '(']), &rest[..end])
    })
}

fn public_functions(body: &str) -> Vec<&str> {
    let lines = body.lines().map(str::trim_start);
    let functions = lines.filter_map(|line| {
        let function = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub const fn "));
        // `on_error(&Error), ..` is the method that the macro `on_method` writes.
        function.or_else(|| (line.starts_with("on_") && line.contains("(&")).then_some(line))
    });
    let names = functions.map(|function| function.split(['(', '<']).next().unwrap_or_default());
    names.filter(|name| !name.starts_with('$')).collect()
}

/// Whether `impl` and this text begin the inherent methods of the type: ` Channel`, or `<T: Bound> EventReceiver<T>`.
fn is_inherent_impl(head: &str, name: &str) -> bool {
    let target = head.rsplit(' ').next().unwrap_or_default();
    !head.contains(" for ") && target.split('<').next() == Some(name)
}

#[test]
fn methods_are_found_in_impls_and_in_macros() {
    let source = "\
macro_rules! shared {
    ($handle:ident) => {
        pub fn from_macro(&self) {}

        on_method! {
            on_row(&Error), Error, Notification::Error(error) => error
        }
    };
}
macro_rules! on_method {
    ($method:ident) => {
        pub fn $method(&self) {}
    };
}
macro_rules! implement {
    ($handle:ident) => {
        impl $handle {
            pub const fn of_named<T>() {}
        }
    };
}
impl<T: Bound> EventReceiver<T> {
    pub fn own(&self) {}
    shared!(EventReceiver);
    fn private(&self) {}
}
implement! {
    Channel, \"like those of Pusher\",
    /// Makes an Event.
}
impl Clone for Channel {
    fn clone(&self) {}
}
";
    let found: Vec<_> = methods_of(source).into_iter().collect();
    assert_eq!(
        found,
        ["Channel::of_named", "EventReceiver::from_macro", "EventReceiver::on_row", "EventReceiver::own"]
    );
}
