//! Reads Rust source without a compiler: tokens, production code, imports, sentences, and the figures made of them.
#![allow(dead_code, reason = "the checks and the figures use a part each")]

pub(crate) mod figures;
pub(crate) mod graph;
pub(crate) mod impls;
pub(crate) mod imports;
pub(crate) mod layers;
pub(crate) mod lexer;
pub(crate) mod scopes;
pub(crate) mod scripts;
pub(crate) mod sentences;
pub(crate) mod sources;
