//! The functions that the library exports, by its source and by its symbols: those of the header, each behind the boundary that
//! catches panics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    declarations::{Function, HEADER, Parameter, number_of},
    program::Library,
};

/// The functions that are written out, with the reason. The macro `exports!` makes all others and puts their bodies behind the
/// boundary.
const WRITTEN_OUT: [(&str, &str); 3] = [
    ("pusher_abi_version", "returns a constant, which cannot panic"),
    ("pusher_last_error_text", "returns a length, and not a result; it calls the boundary itself"),
    ("pusher_version", "returns a pointer to a static text, which cannot panic"),
];

/// The file with the boundary and its macro.
const BOUNDARY: &str = "boundary.rs";

/// The Rust sources of the C interface, without comments, by their paths.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut sources = BTreeMap::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capi"), &mut sources);
    assert!(sources.len() > 5, "the sources were found");
    sources
}

fn collect(folder: &Path, sources: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable file");
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            let code = lines.collect::<Vec<_>>().join("\n");
            sources.insert(path, code.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned());
        }
    }
}

/// All sources but that of the macro, joined.
fn source() -> String {
    let files = sources().into_iter().filter(|(path, _)| !path.ends_with(BOUNDARY));
    files.map(|(_, code)| code).collect::<Vec<_>>().join("\n")
}

/// The text between each `marker` and the brace that closes its block.
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

/// `pusher_state(client: Handle<Client>, state: Out<'_, i32>) {`
fn function(code: &str, default_result: &str) -> Function {
    let (name, rest) = code.split_once('(').expect("parameters");
    let (parameters, rest) = rest.split_once(')').expect("the end of the parameters");
    let head = rest.split(['{', ';', '\n']).next().unwrap_or_default();
    let result = head.split_once("->").map_or_else(|| default_result.to_owned(), |(_, result)| c_type(result.trim()));
    Function { name: name.to_owned(), result, parameters: parameters_of(parameters) }
}

/// A name between semicolons is a `user_data`. In C, its destructor is the next parameter.
fn parameters_of(text: &str) -> Vec<Parameter> {
    let mut parts = text.split(';');
    let mut parameters: Vec<_> = separated(parts.next().unwrap_or_default()).map(parameter).collect();
    if parts.next().is_some() {
        for type_name in ["void*", "pusher_destructor"] {
            parameters.push(Parameter { name: String::new(), type_name: type_name.to_owned(), is_nullable: true });
        }
    }
    parameters.extend(parts.flat_map(|after| separated(after).collect::<Vec<_>>()).map(parameter));
    parameters
}

/// Splits at commas, but not inside `Out<'_, i32>`.
fn separated(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let parts = text.split(move |character| {
        match character {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// `client: Handle<Client>`, or only its type. The source does not have the names that parameters have in C.
fn parameter(declaration: &str) -> Parameter {
    let type_name = declaration.split_once(": ").map_or(declaration, |(_, type_name)| type_name).trim();
    // Data of no length may be NULL.
    let is_nullable = type_name.starts_with("Optional") || type_name.starts_with("Data");
    Parameter { name: String::new(), type_name: c_type(type_name), is_nullable }
}

/// The C type of a Rust type. A callback has the same name in both languages.
fn c_type(rust: &str) -> String {
    let rust = rust.replace("'_, ", "").replace("<'_>", "");
    if let Some(target) = rust.strip_prefix("*mut ") {
        return c_type(target) + "*";
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        return pointer_to_const(&c_type(target));
    }
    if let Some((wrapper, target)) = rust.strip_suffix('>').and_then(|rust| rust.split_once('<')) {
        return match wrapper.strip_prefix("Optional").unwrap_or(wrapper) {
            "Out" | "Handle" | "LastUse" | "Owned" => c_type(target) + "*",
            "Borrowed" => pointer_to_const(&c_type(target)),
            "Option" | "Function" => c_type(target),
            _ => panic!("no C type is known for `{wrapper}`"),
        };
    }
    let c = match rust.rsplit("::").next().unwrap_or_default() {
        "c_char" => "char",
        "c_void" | "()" => "void",
        "i32" | "c_int" => "int32_t",
        "i64" => "int64_t",
        "u16" => "uint16_t",
        "u32" => "uint32_t",
        "u64" => "uint64_t",
        "usize" => "size_t",
        "isize" => "intptr_t",
        "Text" | "OptionalText" | "Data" => "const char*",
        name if name.starts_with(char::is_uppercase) => return handle(name),
        name => name,
    };
    c.to_owned()
}

fn pointer_to_const(target: &str) -> String {
    if target.ends_with('*') { format!("{target}const*") } else { format!("const {target}*") }
}

/// `ReceiverOptions` is `pusher_receiver_options`.
fn handle(name: &str) -> String {
    if name == "DecodedText" {
        // The Rust type `Text` is that of text parameters.
        return "pusher_text".to_owned();
    }
    let words = name.chars().flat_map(|c| [c.is_uppercase().then_some('_'), Some(c.to_ascii_lowercase())]);
    format!("pusher{}", words.flatten().collect::<String>())
}

/// Without the names of the parameters.
fn unnamed(function: &Function) -> Function {
    let parameters = function.parameters.iter().cloned();
    let parameters = parameters.map(|parameter| Parameter { name: String::new(), ..parameter }).collect();
    Function { parameters, ..function.clone() }
}

fn without_nullable(function: &Function) -> Function {
    let parameters = function.parameters.iter().cloned();
    let parameters = parameters.map(|parameter| Parameter { is_nullable: false, ..parameter }).collect();
    Function { parameters, ..function.clone() }
}

/// The exported functions by name.
fn exported(source: &str) -> BTreeMap<String, Function> {
    let mut exported = Vec::new();
    for block in blocks(source, "exports! {") {
        exported.extend(functions(&block.replace("free fn ", ""), "fn ", "int32_t"));
        exported.extend(functions(block, "free fn ", "void"));
    }
    exported.extend(written_out(source));
    exported.into_iter().map(|function| (function.name.clone(), function)).collect()
}

fn written_out(source: &str) -> Vec<Function> {
    functions(source, "extern \"C\" fn ", "void")
}

#[test]
fn the_library_and_the_header_have_the_same_functions() {
    let exported = exported(&source());
    let declared: BTreeMap<_, _> =
        HEADER.functions.iter().map(|function| (function.name.clone(), unnamed(function))).collect();
    assert_same_names(&exported, &declared);
    for (name, declared) in &declared {
        // The Rust types of a function that is written out do not say whether a pointer may be NULL.
        let is_written_out = WRITTEN_OUT.iter().any(|(written_out, _)| written_out == name);
        let declared = if is_written_out { without_nullable(declared) } else { declared.clone() };
        assert_eq!(exported[name].to_string(), declared.to_string(), "the library's function, and the header's");
    }
}

#[test]
fn the_library_and_the_header_have_the_same_constants() {
    let source = source();
    let constants = source.split("const PUSHER_").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": ")?;
        let (_, number) = rest.split(';').next()?.split_once("= ")?;
        Some((format!("PUSHER_{name}"), number_of(number)))
    });
    // The numbers of the levels are those of the `log` crate.
    let levels = log::LevelFilter::iter().map(|level| (format!("PUSHER_LOG_{level}"), level as i64));
    let kinds = kinds();
    assert!(kinds.len() > 5, "the table of kinds was found");
    let constants: BTreeMap<_, _> = constants.chain(levels).chain(kinds).collect();
    let declared = HEADER.constants.iter().cloned().collect();
    assert_same_names(&constants, &declared);
    assert_eq!(constants, declared);
}

/// The kinds of notifications, whose table has rows such as `c: 1, "event"`.
fn kinds() -> Vec<(String, i64)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/event/kind.rs");
    let table = fs::read_to_string(path).expect("a readable file");
    let rows = table.lines().filter_map(|line| line.trim().strip_prefix("c: ")?.split_once(", \""));
    let rows = rows.filter_map(|(number, rest)| Some((number, rest.split_once('"')?.0)));
    rows.map(|(number, name)| (format!("PUSHER_KIND_{}", name.to_uppercase()), number_of(number))).collect()
}

#[test]
fn the_library_and_the_header_have_the_same_callbacks() {
    let source = source();
    let aliases = source.split("type pusher_").skip(1).map(|alias| {
        let (name, rest) = alias.split_once(" = ").expect("a type");
        let signature = rest.split(';').next().and_then(|rest| rest.split_once("fn(")).expect("a function").1;
        function(&format!("pusher_{name}({signature};"), "void")
    });
    let aliases: BTreeMap<_, _> = aliases.map(|alias| (alias.name.clone(), alias.to_string())).collect();
    let declared = HEADER.callbacks.iter();
    let declared: BTreeMap<_, _> =
        declared.map(|(name, callback)| (name.clone(), without_nullable(callback).to_string())).collect();
    assert_same_names(&aliases, &declared);
    assert_eq!(aliases, declared);
}

fn assert_same_names<T>(library: &BTreeMap<String, T>, header: &BTreeMap<String, T>) {
    let lacking = |of: &BTreeMap<String, T>, others: &BTreeMap<String, T>| {
        others.keys().filter(|name| !of.contains_key(*name)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(lacking(library, header), [""; 0], "the library lacks declarations of the header");
    assert_eq!(lacking(header, library), [""; 0], "the header lacks exports of the library");
}

#[test]
fn every_exported_function_has_the_panic_boundary() {
    let source = source();
    let mut bare: Vec<_> = written_out(&source).into_iter().map(|function| function.name).collect();
    bare.sort();
    assert_eq!(bare, WRITTEN_OUT.map(|(name, _)| name), "functions that `exports!` does not make");
    assert_eq!(source.matches("no_mangle").count(), bare.len(), "nothing else is exported");
    assert!(!source.contains("export_name"), "nothing is exported under another name");
    let sources = sources();
    let boundary = sources.iter().find(|(path, _)| path.ends_with(BOUNDARY)).expect("the boundary").1;
    let exporting: Vec<_> = boundary.split("#[unsafe(no_mangle)]").skip(1).collect();
    assert!(!exporting.is_empty());
    for arm in exporting {
        let body = arm.split_once('{').expect("a body").1.split("exports! {").next().unwrap_or_default();
        assert!(body.contains("boundary::run(stringify!($name), move || {"), "{body}");
    }
}

fn declared() -> BTreeSet<String> {
    HEADER.functions.iter().map(|function| function.name.clone()).collect()
}

/// The output of `nm`: lines of "NAME TYPE ...". For an archive, each begins with the name of its object.
fn nm(flags: &[&str], library: Library) -> Vec<String> {
    let output = Command::new("nm").args(flags).arg(library.path()).output().expect("nm runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_shared_library_exports_the_functions_of_the_header_and_nothing_else() {
    let lines = nm(&["-D", "--defined-only", "--format=posix"], Library::Shared);
    let exported = lines.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned());
    assert_eq!(exported.collect::<BTreeSet<_>>(), declared());
}

/// A static library is an archive of all crates, the standard library included, whose objects see each other's symbols. Only
/// names that are not mangled can collide with those of a program in C. These are the names of the header, those of the
/// compiler's built-ins, which every compiler has, and those of C libraries that the archive contains.
#[test]
fn the_static_library_exports_the_functions_of_the_header_and_no_other_name_of_c() {
    let lines = nm(&["--print-file-name", "--extern-only", "--defined-only", "--format=posix"], Library::Static);
    let mut exported = BTreeSet::new();
    // libpusher_channels.a[pusher_channels-HASH.pusher_channels.HASH-cgu.0.rcgu.o]: NAME TYPE ...
    for (file, rest) in lines.iter().filter_map(|line| line.split_once("]: ")) {
        let object = file.split_once('[').expect("an object").1;
        let name = rest.split(' ').next().unwrap_or_default();
        let is_of_rust = object.ends_with(".rcgu.o") && !object.starts_with("compiler_builtins-");
        let is_mangled = name.starts_with("_ZN") || name.starts_with("_R");
        let is_possible_in_c = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_of_rust && !is_mangled && is_possible_in_c {
            exported.insert(name.to_owned());
        }
    }
    assert_eq!(exported, declared());
}

/// `cargo rustc --crate-type` makes the libraries for C. With a crate type in the manifest, cargo would make them for every
/// Rust program that uses this crate, too.
#[test]
fn the_manifest_names_no_crate_type() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("readable");
    assert!(!manifest.lines().any(|line| line.trim_start().starts_with("crate-type")));
    assert!(!manifest.lines().any(|line| line.trim_start().starts_with("crate_type")));
}
