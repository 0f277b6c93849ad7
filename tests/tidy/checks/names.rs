//! A type name has one meaning in a layer, in tests, too.

use std::collections::BTreeSet;

use crate::{
    assert_known, known,
    measure::figures::{duplicates, duplicates_with_tests},
    repository::library,
};

#[test]
fn no_type_name_is_defined_twice_in_a_layer() {
    assert_eq!(duplicates(library()), BTreeSet::new());
    let with_tests: BTreeSet<_> =
        duplicates_with_tests(library()).into_iter().map(|duplicate| (duplicate.name, duplicate.paths)).collect();
    assert_known(with_tests, known::STAND_INS.map(|(name, paths, _)| (name, paths.to_vec())));
}
