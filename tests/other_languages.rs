//! The documentation shows the code of examples in other languages, which CI runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = include_str!("../src/guide/other_languages.md");
const README: &str = include_str!("../README.md");
const HEADER: &str = include_str!("../src/capi/pusher_channels.h");
const PLAYGROUND: &str = include_str!("../examples/playground/environment.rs");

/// The bindings, with the language of the fenced blocks in their READMEs and the smallest program of that language.
const BINDINGS: [(&str, &str, &str); 4] = [
    ("bindings/cpp", "cpp", include_str!("../examples/cpp/smallest.cpp")),
    ("bindings/lua", "lua", include_str!("../examples/lua/smallest.lua")),
    ("bindings/node", "js", include_str!("../examples/node/smallest.mjs")),
    ("bindings/python", "python", include_str!("../examples/python/smallest.py")),
];

/// The languages of fenced blocks, with the folder and the extension of their examples.
const LANGUAGES: [(&str, &str, &str); 5] = [
    ("c", "examples/c", "c"),
    ("cpp", "examples/cpp", "cpp"),
    ("python", "examples/python", "py"),
    ("lua", "examples/lua", "lua"),
    ("js", "examples/node", "mjs"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fenced blocks of a language, in the order of the page.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fenced = page.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

fn sources(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(root().join(folder)).expect("a folder of examples").flatten().map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == extension));
    files.map(|path| (path.clone(), fs::read_to_string(path).expect("a readable file"))).collect()
}

#[test]
fn fenced_blocks_are_found() {
    let page = "x\n```c\none\n```\n```cpp\ntwo\n```\n```c\nthree\n```\n";
    assert_eq!(blocks(page, "c"), ["one\n", "three\n"]);
    assert_eq!(blocks(page, "cpp"), ["two\n"]);
}

#[test]
fn the_guide_shows_complete_examples_of_each_language() {
    for (language, folder, extension) in LANGUAGES {
        let sources = sources(folder, extension);
        let blocks = blocks(PAGE, language);
        assert!(!blocks.is_empty(), "{language}");
        for block in blocks {
            assert!(sources.iter().any(|(_, source)| source == block), "no file of {folder} has this text:\n{block}");
        }
    }
}

#[test]
fn the_readme_shows_the_smallest_c_program() {
    assert_eq!(blocks(README, "c"), [include_str!("../examples/c/smallest.c")]);
}

#[test]
fn the_readme_of_each_binding_shows_the_smallest_program() {
    for (folder, language, smallest) in BINDINGS {
        let readme = fs::read_to_string(root().join(folder).join("README.md")).expect("a README");
        assert_eq!(blocks(&readme, language), [smallest], "{folder}");
    }
}

#[test]
fn the_readmes_of_the_bindings_name_paths_that_exist() {
    let folders = ["bindings/", "examples/", "src/", "tests/"];
    for (folder, ..) in BINDINGS {
        let readme = fs::read_to_string(root().join(folder).join("README.md")).expect("a README");
        let code = readme.split('`').skip(1).step_by(2);
        // The first word of a command, such as `tests/run languages`, is the path.
        let words = code.filter_map(|text| text.split_whitespace().next());
        let paths: Vec<_> = words.filter(|word| folders.iter().any(|start| word.starts_with(start))).collect();
        assert!(paths.len() >= 2, "{folder}: the paths were found");
        for path in paths {
            assert!(root().join(path).exists(), "{folder}/README.md names {path}");
        }
    }
}

#[test]
fn the_names_in_the_guide_are_in_the_header() {
    let names = PAGE.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = names.filter(|name| name.starts_with("pusher_") || name.starts_with("PUSHER_"));
    // These are other names: the library itself, variables of the bindings and of the playground, and patterns.
    let is_variable = |name: &str| name.starts_with("PUSHER_CHANNELS_") || PLAYGROUND.contains(&format!("\"{name}\""));
    let is_other =
        |name: &str| name == "pusher_channels" || is_variable(name) || name.contains("_X_") || name == "pusher_";
    let names: Vec<_> = names.filter(|name| !is_other(name)).collect();
    assert!(names.len() > 20, "the names were found");
    for name in names {
        let is_there = HEADER.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| word == name);
        assert!(is_there, "the header does not declare {name}");
    }
}

#[test]
fn the_guide_links_to_existing_files() {
    const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/");
    let links: Vec<_> = PAGE.lines().filter_map(|line| line.split_once(REPOSITORY)).map(|(_, path)| path).collect();
    assert!(links.len() > 5, "the links were found");
    for path in links {
        assert!(root().join(path).is_file(), "{path}");
    }
}

#[test]
fn the_installed_library_has_the_version_of_the_interface() {
    let manifest = include_str!("../Cargo.toml");
    let library = manifest.split_once("[package.metadata.capi.library]\n").expect("the section of cargo-c").1;
    let version = library.lines().find_map(|line| line.strip_prefix("version = \"")).expect("a version");
    let numbers: Vec<u32> = version.split(['.', '"']).map_while(|number| number.parse().ok()).collect();
    let declared = HEADER.split_once("PUSHER_ABI_VERSION = 0x").expect("declared").1;
    let declared = declared.split_once(' ').expect("the end of the enum").0;
    assert_eq!(Ok(numbers[0] << 16 | numbers[1]), u32::from_str_radix(declared, 16));
}
