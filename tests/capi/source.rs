//! What the library's source exports, and that all of it stands behind the panic boundary.

use std::{collections::BTreeMap, fs, path::Path};

use crate::declarations::{Function, HEADER, Parameter, number_of};

/// What is exported without the macro that puts a body behind the boundary, and why it needs none.
const WITHOUT_BOUNDARY: [(&str, &str); 2] =
    [("pusher_abi_version", "returns a constant"), ("pusher_version", "returns a pointer to a static text")];

/// All Rust sources of the C interface, joined, without comments.
fn source() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capi");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(!files.is_empty(), "the sources were found");
    let texts = files.iter().map(|path| fs::read_to_string(path).expect("a readable file"));
    let lines: Vec<_> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.iter().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What stands between each `marker {` and its closing brace.
fn blocks<'a>(source: &'a str, marker: &str) -> Vec<&'a str> {
    let starts = source.match_indices(marker).map(|(at, marker)| at + marker.len());
    starts.map(|start| &source[start..start + length_of_block(&source[start..])]).collect()
}

fn length_of_block(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    panic!("a block that does not end")
}

/// The functions whose declaration follows `marker`, as C sees them.
fn functions(code: &str, marker: &str, default_result: &str) -> Vec<Function> {
    let starts = code.match_indices(marker).map(|(at, marker)| at + marker.len());
    let starts = starts.filter(|start| code[*start..].starts_with("pusher_"));
    starts.map(|start| function(&code[start..], default_result)).collect()
}

/// `pusher_state(client: *mut pusher_client, state: *mut i32) -> i32 {`
fn function(code: &str, default_result: &str) -> Function {
    let (name, rest) = code.split_once('(').expect("parameters");
    let (parameters, rest) = rest.split_once(')').expect("the end of the parameters");
    let head = rest.split(['{', ';']).next().unwrap_or_default();
    let result = head.split_once("->").map_or_else(|| default_result.to_owned(), |(_, result)| c_type(result.trim()));
    let parameters = parameters.split(',').map(str::trim).filter(|parameter| !parameter.is_empty());
    Function { name: name.to_owned(), result, parameters: parameters.map(parameter).collect() }
}

/// `mut client: *mut pusher_client`, or only its type.
fn parameter(declaration: &str) -> Parameter {
    let (name, type_name) = declaration.split_once(':').unwrap_or(("", declaration));
    let name = name.trim().trim_start_matches("mut ").trim_start_matches('_').to_owned();
    Parameter { name, type_name: c_type(type_name.trim()), is_nullable: false }
}

/// What a type of Rust is in C. A callback is told by its name, which is the same in both.
fn c_type(rust: &str) -> String {
    if let Some(target) = rust.strip_prefix("*mut ") {
        return c_type(target) + "*";
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        let target = c_type(target);
        return if target.ends_with('*') { target + "const*" } else { format!("const {target}*") };
    }
    if let Some(callback) = rust.strip_prefix("Option<") {
        return c_type(callback.trim_end_matches('>'));
    }
    let c = match rust {
        "c_char" => "char",
        "c_void" | "()" => "void",
        "i32" | "c_int" => "int32_t",
        "i64" => "int64_t",
        "u16" => "uint16_t",
        "u32" => "uint32_t",
        "u64" => "uint64_t",
        "usize" => "size_t",
        "isize" => "intptr_t",
        name => name.rsplit("::").next().unwrap_or(name),
    };
    c.to_owned()
}

/// Without what Rust does not say.
fn as_rust_knows(function: &Function) -> Function {
    let parameters = function.parameters.iter().cloned();
    let parameters = parameters.map(|parameter| Parameter { is_nullable: false, ..parameter }).collect();
    Function { parameters, ..function.clone() }
}

fn exported(source: &str) -> Vec<Function> {
    let mut exported: Vec<_> =
        blocks(source, "exports! {").into_iter().flat_map(|block| functions(block, "fn ", "int32_t")).collect();
    exported.extend(functions(source, "extern \"C\" fn ", "void"));
    exported
}

#[test]
fn the_library_and_the_header_have_the_same_functions() {
    let mut exported = exported(&source());
    let mut declared: Vec<_> = HEADER.functions.iter().map(as_rust_knows).collect();
    exported.sort_by(|a, b| a.name.cmp(&b.name));
    declared.sort_by(|a, b| a.name.cmp(&b.name));
    let names = |functions: &[Function]| functions.iter().map(|function| function.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&exported), names(&declared));
    for (exported, declared) in exported.iter().zip(&declared) {
        assert_eq!(exported, declared, "the library's function, and the header's");
    }
}

#[test]
fn the_library_and_the_header_have_the_same_constants() {
    let source = source();
    let lines = source.lines().map(str::trim).filter_map(|line| line.strip_prefix("pub const PUSHER_"));
    let constants = lines.map(|line| {
        let (name, rest) = line.split_once(':').expect("a type");
        let (_, number) = rest.split_once('=').expect("a value");
        (format!("PUSHER_{name}"), number_of(number.trim().trim_end_matches(';')))
    });
    let constants: BTreeMap<_, _> = constants.collect();
    assert_eq!(constants, HEADER.constants.iter().cloned().collect());
}

#[test]
fn the_library_and_the_header_have_the_same_callbacks() {
    let source = source();
    let aliases = source.split("type pusher_").skip(1).filter(|alias| alias.contains("extern \"C\" fn"));
    let aliases = aliases.map(|alias| {
        let (name, rest) = alias.split_once('=').expect("a type");
        let name = format!("pusher_{}", name.trim());
        let signature = rest.split(';').next().expect("its end").split_once("extern \"C\" fn").expect("a function").1;
        let signature = signature.trim().trim_end_matches('>').trim_end_matches(" -").to_owned();
        (name.clone(), function(&format!("{name}{signature}"), "void"))
    });
    let unnamed = |function: &Function| {
        let parameters = function.parameters.iter().cloned();
        let parameters = parameters.map(|parameter| Parameter { name: String::new(), is_nullable: false, ..parameter });
        Function { parameters: parameters.collect(), ..function.clone() }
    };
    let aliases: BTreeMap<_, _> = aliases.map(|(name, alias)| (name, unnamed(&alias))).collect();
    let declared: BTreeMap<_, _> =
        HEADER.callbacks.iter().map(|(name, callback)| (name.clone(), unnamed(callback))).collect();
    assert_eq!(aliases, declared);
}

#[test]
fn every_exported_function_has_the_panic_boundary() {
    let source = source();
    let bare = functions(&source, "extern \"C\" fn ", "void");
    let bare: Vec<_> = bare.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(bare, WITHOUT_BOUNDARY.map(|(name, _)| name), "written out, and not by `exports!`");
    // `no_mangle` stands once for each of them, and once in the macro.
    assert_eq!(source.matches("no_mangle").count(), bare.len() + 1, "nothing else is exported");
    assert_eq!(source.matches("export_name").count(), 0, "nothing is exported under another name");
}
