//! Imports go one way: between layers, and between the rooms of a folder.

use std::collections::BTreeSet;

use crate::{
    assert_known, known,
    measure::{
        imports::{Import, crossed, folders, rooms},
        layers::layer_of,
    },
    repository::{all_imports, library},
};

/// The modules whose folders have no circle of imports.
const WITHOUT_CIRCLES: [&str; 4] = ["session", "io", "capi", "testing"];

/// Unit tests that use the client as a program does.
const TESTS_OF_ALL_LAYERS: [&str; 2] = ["session/tests/", "io/interleavings/"];

const MAX_FLOORS_OF_IO: usize = 8;

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

#[test]
fn imports_go_one_way_inside_folders() {
    let mut circles = BTreeSet::new();
    for folder in folders(library()).into_iter().filter(|folder| WITHOUT_CIRCLES.contains(&folder[0])) {
        let graph = rooms(all_imports(), &folder);
        for circle in graph.circles() {
            let shortest = graph.circle_of(circle[0]).expect("a way back");
            println!("{}: {:#?}", folder.join("/"), files_of(&shortest, &folder));
            circles.insert((folder.join("/"), circle));
        }
    }
    assert_known(circles, known::CIRCLES.iter().map(|(folder, rooms)| (folder.to_string(), rooms.to_vec())));
}

#[test]
fn io_has_few_floors() {
    let floors = rooms(all_imports(), &["io"]).floors();
    assert_eq!(floors.max(MAX_FLOORS_OF_IO), known::FLOORS_OF_IO);
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

/// One import for each step of a circle of rooms.
fn files_of(circle: &[&'static str], folder: &[&'static str]) -> Vec<String> {
    let next = circle.iter().cycle().skip(1);
    let steps = circle.iter().zip(next).map(|(from, to)| (*from, *to));
    let import = |step| all_imports().iter().find(|import| crossed(import, folder) == Some(step));
    steps.map(|step| described(import(step).expect("an import for each step"))).collect()
}
