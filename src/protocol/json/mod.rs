//! JSON beyond serde_json: a fast path for flat messages, strings that are decoded in place, ids of two types, and a
//! check for numbers that JSON cannot represent.

pub(crate) mod flat;
pub(crate) mod number;
mod scan;
pub(crate) mod string;
