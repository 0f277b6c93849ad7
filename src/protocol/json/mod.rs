//! JSON where serde_json cannot help: text that is decoded in place, numbers that JSON lacks, ids of two types.

pub(crate) mod flat;
pub(crate) mod id;
pub(crate) mod number;
mod scan;
pub(crate) mod string;
