//! A type name has one meaning in a layer.

use crate::{assert_known, known, measure::figures::duplicates, repository::library};

#[test]
fn no_type_name_is_defined_twice_in_a_layer() {
    let duplicates = duplicates(library());
    for duplicate in &duplicates {
        println!("{}: {:?}", duplicate.name, duplicate.paths);
    }
    let found = duplicates.into_iter().map(|duplicate| (duplicate.paths[0], duplicate.name)).collect();
    assert_known(found, known::DUPLICATE_TYPES.iter().copied());
}
