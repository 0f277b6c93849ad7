//! Types whose methods stand in several files.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    figures::begins_item,
    layers::layer_of,
    lexer::{Kind, Token},
    sources::Source,
};

/// The files with an `impl` block of a type, for each type for which a layer has several. Blocks of traits do not count:
/// they may stand anywhere.
pub(crate) fn types_in_several_files(sources: &[Source]) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut files: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_production) {
        for name in types_with_methods(&source.code) {
            files.entry((layer_of(source.top()), name)).or_default().insert(source.path);
        }
    }
    files.retain(|_, files| files.len() > 1);
    files.into_iter().map(|((_, name), files)| (name, files)).collect()
}

/// The name of the type of each `impl` block without a trait.
pub(crate) fn types_with_methods(tokens: &[Token]) -> Vec<&'static str> {
    let code: Vec<_> = tokens.iter().filter(|token| !token.is_comment()).collect();
    let starts = (0..code.len()).filter(|at| code[*at].is("impl") && begins_item(&code, *at));
    starts.filter_map(|start| type_of(&code[start + 1..])).collect()
}

fn type_of(code: &[&Token]) -> Option<&'static str> {
    let mut depth = 0;
    let mut name = None;
    for token in code {
        match token.text {
            "<" => depth += 1,
            ">" => depth -= 1,
            _ if depth > 0 => {}
            "for" => return None,
            "{" | "where" => return name,
            text if token.kind == Kind::Word => name = Some(text),
            _ => {}
        }
    }
    None
}
