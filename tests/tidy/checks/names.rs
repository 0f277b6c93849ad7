//! A type name has one meaning in a layer.

use crate::{measure::figures::duplicates, repository::library};

#[test]
fn no_type_name_is_defined_twice_in_a_layer() {
    let duplicates = duplicates(library());
    let found: Vec<_> = duplicates.iter().map(|duplicate| (duplicate.name, &duplicate.paths)).collect();
    assert!(found.is_empty(), "{found:#?}");
}
