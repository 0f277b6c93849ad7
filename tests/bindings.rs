//! The packages of the bindings agree with the crate: their versions, and the kinds of notifications that they name.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

const HEADER: &str = include_str!("../src/capi/pusher_channels.h");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The kinds of the header, by their names in lower case.
fn kinds() -> BTreeMap<String, i32> {
    let lines = HEADER.lines().filter_map(|line| line.trim().strip_prefix("PUSHER_KIND_")?.split_once(" = "));
    let kinds: BTreeMap<_, _> = lines.map(|(name, number)| (name.to_lowercase(), leading(number))).collect();
    assert!(kinds.len() > 10, "the kinds were found");
    kinds
}

/// The number that a text begins with.
fn leading(text: &str) -> i32 {
    let digits = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().expect("a number")
}

/// The rest of the line that begins like this.
fn after<'a>(text: &'a str, beginning: &str) -> &'a str {
    text.lines().find_map(|line| line.trim().strip_prefix(beginning)).unwrap_or_else(|| panic!("no {beginning}"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn every_package_has_the_version_of_the_crate() {
    let python = after(include_str!("../bindings/python/pyproject.toml"), "version = ");
    assert_eq!(python, format!("{VERSION:?}"));
    assert_eq!(json(include_str!("../bindings/node/package.json"))["version"], VERSION);
    let lock = json(include_str!("../bindings/node/package-lock.json"));
    assert_eq!((&lock["version"], &lock["packages"][""]["version"]), (&VERSION.into(), &VERSION.into()));
    let cmake = after(include_str!("../bindings/cpp/CMakeLists.txt"), "project(pusher_channels_cpp VERSION ");
    assert_eq!(cmake.split(' ').next(), Some(VERSION));
}

/// LuaRocks reads the version of the package from the name of the file, too.
#[test]
fn the_rockspec_has_the_version_of_the_crate_and_names_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join(format!("bindings/lua/pusher-channels-luajit-{VERSION}-1.rockspec"));
    let rockspec = std::fs::read_to_string(path).expect("a rockspec of this version");
    assert_eq!(after(&rockspec, "version = "), format!("\"{VERSION}-1\""));
    let texts: Vec<_> = rockspec.split('"').skip(1).step_by(2).collect();
    let paths: Vec<_> = texts.iter().filter(|text| text.contains('/') && !text.contains("://")).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    for path in paths {
        assert!(root.join(path).is_file(), "{path}");
    }
}

#[test]
fn the_python_binding_has_every_kind_with_its_number() {
    let module = include_str!("../bindings/python/pusher_channels/_errors.py");
    let class = module.split_once("class Kind(Named):").expect("the kinds").1;
    let class = class.split_once("\nclass ").expect("another class").0;
    let constants = class.lines().filter_map(|line| line.trim().split_once(" = "));
    let constants = constants.map(|(name, number)| (name.to_lowercase(), leading(number)));
    assert_eq!(constants.collect::<BTreeMap<_, _>>(), kinds());
}

#[test]
fn the_python_binding_knows_the_fields_of_every_kind() {
    let module = include_str!("../bindings/python/pusher_channels/_values.py");
    let table = module.split_once("FIELDS_OF_KIND = {").expect("the table").1;
    for kind in kinds().into_keys() {
        assert!(table.contains(&format!("    Kind.{}: (", kind.to_uppercase())), "{kind}");
    }
}

#[test]
fn the_declarations_of_the_node_binding_have_every_kind() {
    let declarations = include_str!("../bindings/node/pusher_channels.d.mts");
    let union = declarations.split_once("export type Notification =").expect("the union").1;
    let union = union.split_once(';').expect("its end").0;
    let members: Vec<_> = union.split('|').map(str::trim).filter(|member| !member.is_empty()).collect();
    let named: BTreeMap<_, _> = kinds().into_keys().map(|kind| (kind.clone(), type_of(declarations, &kind))).collect();
    for (kind, name) in &named {
        assert!(members.contains(&name.as_str()), "{kind}: {name} belongs to the union");
    }
    assert_eq!(members.len(), named.len(), "{members:?}");
}

/// The type whose field `kind` has this value, or the generic type for several kinds with the value as its argument.
fn type_of(declarations: &str, kind: &str) -> String {
    let value = format!("kind: \"{kind}\";");
    let interfaces = declarations.split("export interface ").skip(1);
    for interface in interfaces {
        let head = interface.split_once(" extends ").map_or(interface, |(head, _)| head);
        let body = interface.split_once("\n}").map_or(interface, |(body, _)| body);
        match head.split_once('<') {
            Some((name, _)) if body.contains("kind: K;") && body.contains(&format!("\"{kind}\"")) => {
                return format!("{name}<\"{kind}\">");
            }
            None if body.contains(&value) => return head.to_owned(),
            _ => {}
        }
    }
    panic!("no declaration has the kind {kind}")
}

/// These bindings know a new kind without a change.
#[test]
fn the_other_bindings_get_the_names_of_kinds_from_the_library() {
    for binding in [
        include_str!("../bindings/node/pusher_channels.mjs"),
        include_str!("../bindings/lua/pusher_channels.lua"),
        include_str!("../bindings/cpp/pusher_channels.hpp"),
    ] {
        assert!(binding.contains("pusher_kind_name"));
    }
}
