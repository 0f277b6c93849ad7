//! JSON where serde_json cannot help: text that is decoded in place, numbers that JSON lacks, ids of two types.

pub(crate) mod flat;
pub(crate) mod number;
pub(crate) mod string;
