//! Which file uses which: every `use` and every path outside of unit tests, resolved to the file that defines the name.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    graph::Graph,
    scopes::Scopes,
    sources::{ModulePath, Source},
};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: &'static str,
    pub(crate) from_module: ModulePath,
    pub(crate) to: &'static str,
    pub(crate) to_module: ModulePath,
    /// As the code has it.
    pub(crate) path: String,
    /// The import of a file that only tests and fuzz targets have.
    pub(crate) is_for_tests: bool,
    /// A `pub use` of a name that the file itself does not use. It gives the name an address, and is no dependency.
    pub(crate) only_exports: bool,
}

/// The imports between different files, sorted, each once.
pub(crate) fn imports(sources: &[Source]) -> Vec<Import> {
    let sections =
        sources.iter().flat_map(|source| source.sections().into_iter().map(move |section| (source, section)));
    let (files, sections): (BTreeMap<_, _>, Vec<_>) =
        sections.map(|(source, section)| ((section.module.clone(), source), section)).unzip();
    let scopes = Scopes::new(sections);
    let mut imports = BTreeSet::new();
    for (module, scope) in scopes.iter() {
        let mut add = |path: &[&'static str], only_exports| {
            let Some(target) = scopes.resolve(module, path) else { return };
            let import = Import {
                from: files[module].path,
                from_module: module.clone(),
                to: files[target.module()].path,
                to_module: target.module().to_vec(),
                path: path.join("::"),
                is_for_tests: !files[module].is_production,
                only_exports,
            };
            if import.from != import.to {
                imports.insert(import);
            }
        };
        for import in &scope.uses {
            add(&import.path, import.is_public && !scope.words.contains(import.name));
        }
        for path in &scope.paths {
            add(path, false);
        }
    }
    imports.into_iter().collect()
}

/// The imports between the files and folders of a folder, whose own `mod.rs` is one of its files.
pub(crate) fn graph<'a>(imports: impl IntoIterator<Item = &'a Import>, folder: &[&'static str]) -> Graph {
    let mut graph = Graph::default();
    for import in imports {
        if let Some((from, to)) = crossed(import, folder) {
            graph.add(from, to);
        }
    }
    graph
}

/// The two entries of `folder` between which an import leads.
pub(crate) fn crossed(import: &Import, folder: &[&'static str]) -> Option<(&'static str, &'static str)> {
    let from = entry(&import.from_module, folder)?;
    let to = entry(&import.to_module, folder)?;
    (from != to && !import.only_exports && !import.is_for_tests).then_some((from, to))
}

/// The file or the folder of `folder` that a module belongs to.
fn entry(module: &[&'static str], folder: &[&'static str]) -> Option<&'static str> {
    let below = module.strip_prefix(folder)?;
    Some(below.first().copied().unwrap_or("mod"))
}

/// The modules that have modules inside, the crate's root among them, each as the path of a folder.
pub(crate) fn folders(sources: &[Source]) -> BTreeSet<ModulePath> {
    let parents = sources.iter().filter(|source| source.is_production).filter_map(|source| source.module.split_last());
    parents.map(|(_, parent)| parent.to_vec()).collect()
}
