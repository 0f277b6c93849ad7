//! Folders and files have a natural size.

use std::{collections::BTreeSet, fs};

use crate::{
    assert_known, known,
    measure::sources::relative,
    repository::{production, root},
};

const MAX_ENTRIES: usize = 10;
const MIN_LINES: usize = 60;

#[test]
fn a_folder_has_few_entries() {
    let src = root().join("src");
    let mut crowded = BTreeSet::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let entries: Vec<_> = entries.collect();
        if entries.len() > MAX_ENTRIES {
            println!("{}: {}", folder.display(), entries.len());
            crowded.insert(relative(&src, &folder));
        }
        folders.extend(entries.into_iter().filter(|entry| entry.is_dir()));
    }
    assert_known(crowded, known::CROWDED_FOLDERS.iter().map(|(folder, _)| folder.to_string()));
}

#[test]
fn a_file_is_a_concept() {
    let small =
        production().filter(|source| source.text.lines().count() < MIN_LINES && !source.path.ends_with("mod.rs"));
    let small: BTreeSet<_> = small.map(|source| source.path).collect();
    let concepts = known::SMALL_CONCEPTS.map(|(path, _)| path);
    for path in concepts {
        assert!(small.contains(path), "{path} is not small any more");
    }
    let fragments: Vec<_> = small.into_iter().filter(|path| !concepts.contains(path)).collect();
    assert_eq!(fragments.len(), known::FRAGMENTS, "{fragments:#?}");
}
