//! Imports go one way: between layers, and between the files and folders of each folder.
//!
//! The checks see imports: `use` declarations and paths. A call of a method needs none, so a circle is invisible to them if
//! it goes through `impl` blocks of one type in several files. `docs/architecture.md` names these types.

use std::collections::BTreeSet;

use crate::{
    known,
    measure::{
        impls::types_in_several_files,
        imports::{Import, crossed, folders, graph},
        layers::layer_of,
        sources::ModulePath,
    },
    repository::{all_imports, files, library},
};

/// Unit tests that use the client as a program does.
const TESTS_OF_ALL_LAYERS: [&str; 2] = ["session/tests/", "io/interleavings/"];

const MAX_DEPTH_OF_IO: usize = 8;

#[test]
fn every_file_belongs_to_a_layer() {
    for source in library().iter().filter(|source| source.top() != "lib") {
        assert!(layer_of(source.top()).is_some(), "{} belongs to no layer", source.path);
    }
}

#[test]
fn imports_go_one_way_between_layers() {
    let layer = |module: &[&str]| layer_of(module.first().unwrap_or(&"lib"));
    let goes_up = |import: &&Import| layer(&import.to_module).is_none_or(|to| layer(&import.from_module) < Some(to));
    let is_bound = |import: &&Import| {
        !import.from_module.is_empty() && !TESTS_OF_ALL_LAYERS.iter().any(|folder| import.from.starts_with(folder))
    };
    let wrong: Vec<_> = all_imports().iter().filter(is_bound).filter(goes_up).map(described).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// In every folder, and on the top level. A `mod.rs` is a file like the others.
#[test]
fn imports_go_one_way_inside_folders() {
    let mut circles = BTreeSet::new();
    let imports = imports_without(&known::TYPES_OF_CIRCLES);
    for folder in folders(library()) {
        let graph = graph(imports.iter().copied(), &folder);
        for circle in graph.circles() {
            let shortest = graph.circle_of(circle[0]).expect("a way back");
            println!("{}: {:#?}", folder.join("/"), files_of(&shortest, &folder, &imports));
            circles.insert((folder.join("/"), circle));
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn each_exception_opens_a_circle() {
    for exception in known::TYPES_OF_CIRCLES {
        let others: Vec<_> = known::TYPES_OF_CIRCLES.into_iter().filter(|other| *other != exception).collect();
        let imports = imports_without(&others);
        let has_circle = |folder: &ModulePath| !graph(imports.iter().copied(), folder).circles().is_empty();
        assert!(folders(library()).iter().any(has_circle), "to be removed from `known`: {exception:?}");
    }
}

/// Their files are one unit, because calls of methods need no imports.
#[test]
fn the_architecture_names_each_type_with_methods_in_several_files() {
    let page = files().iter().find(|file| file.path == "docs/architecture.md").expect("the architecture").text;
    let layers = page.split("\n## ").find(|section| section.starts_with("Layers\n")).expect("the layers");
    let types = types_in_several_files(library());
    assert!(types.contains_key("Session"), "the types were found");
    let unnamed: Vec<_> = types.iter().filter(|(name, _)| !layers.contains(&format!("`{name}`"))).collect();
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[test]
fn io_imports_are_at_most_8_levels_deep() {
    let depth = graph(all_imports(), &["io"]).depth();
    assert!(depth <= MAX_DEPTH_OF_IO, "{depth}");
}

#[test]
fn the_server_shares_no_code_with_the_client_that_it_tests() {
    for import in all_imports().iter().filter(|import| import.from_module.first() == Some(&"testing")) {
        let is_own = import.to_module.first() == Some(&"testing");
        let is_config = import.to_module[..] == ["config"] && import.path.split("::").any(|name| name == "Config");
        assert!(is_own || is_config, "{}", described(import));
    }
}

fn described(import: &Import) -> String {
    format!("{} -> {} ({})", import.from, import.to, import.path)
}

/// All imports except those of these types by the files of their folders.
fn imports_without(types: &[(&str, &str, &str)]) -> Vec<&'static Import> {
    let is_of = |import: &Import, (file, name, _): &(&str, &str, &str)| {
        let folder = file.trim_end_matches("mod.rs");
        import.to == *file && import.from.starts_with(folder) && import.path.split("::").any(|segment| segment == *name)
    };
    all_imports().iter().filter(|import| !types.iter().any(|excepted| is_of(import, excepted))).collect()
}

/// One import for each step of a circle.
fn files_of(circle: &[&'static str], folder: &[&'static str], imports: &[&Import]) -> Vec<String> {
    let next = circle.iter().cycle().skip(1);
    let steps = circle.iter().zip(next).map(|(from, to)| (*from, *to));
    let import = |step| imports.iter().find(|import| crossed(import, folder) == Some(step));
    steps.map(|step| described(import(step).expect("an import for each step"))).collect()
}
