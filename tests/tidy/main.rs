//! Checks of the repository itself: its layers, its folders, its prose, and the rules that it cites.
//!
//! `known` has the exceptions. An exception that is no longer needed fails, too, so that the tables only shrink.

mod known;
mod measure;
mod repository;

mod checks {
    mod folders;
    mod internals;
    mod layers;
    mod names;
    mod pages;
    mod prose;
    mod purity;
    mod rules;
}

mod units {
    mod figures;
    mod graph;
    mod imports;
    mod lexer;
    mod scopes;
    mod scripts;
    mod sentences;
    mod sources;
}

use std::{collections::BTreeSet, fmt::Debug};

/// Fails with the entries that `found` has and `known` lacks, and the other way round.
#[track_caller]
fn assert_known<T: Ord + Debug>(found: BTreeSet<T>, known: impl IntoIterator<Item = T>) {
    let known: BTreeSet<_> = known.into_iter().collect();
    let new: Vec<_> = found.difference(&known).collect();
    let obsolete: Vec<_> = known.difference(&found).collect();
    assert!(new.is_empty() && obsolete.is_empty(), "new: {new:#?}\nto be removed from `known`: {obsolete:#?}");
}
