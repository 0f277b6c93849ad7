//! The form of Markdown pages.

use crate::repository::files;

/// A row that is wrapped becomes two rows, one of them in the wrong columns.
#[test]
fn each_row_of_a_table_is_one_line() {
    for page in files().iter().filter(|file| file.is_markdown()) {
        let mut is_in_table = false;
        for line in page.text.lines() {
            assert!(!line.starts_with('|') || line.ends_with('|'), "{}: {line}", page.path);
            assert!(!is_in_table || line.is_empty() || line.starts_with('|'), "{}: {line}", page.path);
            is_in_table = line.starts_with('|');
        }
    }
}

#[test]
fn the_readme_begins_with_the_quickstart() {
    let quickstart = include_str!("../../../examples/quickstart.rs");
    let code = quickstart.split_once("\n\n").expect("a line of documentation first").1;
    let readme = include_str!("../../../README.md");
    assert_eq!(readme.split("```").nth(1), Some(&*format!("rust\n{code}")));
    assert!(quickstart.lines().count() <= 40);
}
