//! Names of modules: definitions and imports. Finds the module that defines a name, through re-exports and globs.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    lexer::{Kind, Token},
    sources::{ModulePath, Section, after_visibility, depth_change},
};

/// Keywords that a name of the module follows.
const DEFINITIONS: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

/// One name that a `use` declaration brings in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) path: Vec<&'static str>,
    /// The name in this module: the last segment or the one after `as`. `*` for a glob.
    pub(crate) name: &'static str,
    pub(crate) is_public: bool,
}

/// The parts of a module that paths need.
#[derive(Default)]
pub(crate) struct Scope {
    definitions: BTreeSet<&'static str>,
    pub(crate) uses: Vec<Use>,
    /// Paths of two or more segments outside of `use` declarations.
    pub(crate) paths: Vec<Vec<&'static str>>,
    /// Names that stand outside of `use` declarations and do not follow `::` or `.`.
    pub(crate) words: BTreeSet<&'static str>,
}

/// The end of a path: a module, or an item of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Module(ModulePath),
    ItemOf(ModulePath),
}

impl Target {
    pub(crate) fn module(&self) -> &[&'static str] {
        match self {
            Self::Module(module) | Self::ItemOf(module) => module,
        }
    }
}

/// A name that is looked up in a module.
type Visit = (ModulePath, &'static str);

#[derive(Default)]
pub(crate) struct Scopes {
    by_module: BTreeMap<ModulePath, Scope>,
}

impl Scopes {
    pub(crate) fn new(sections: impl IntoIterator<Item = Section>) -> Self {
        let scopes = sections.into_iter().map(|section| (section.module, Scope::new(&section.code)));
        Self { by_module: scopes.collect() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ModulePath, &Scope)> {
        self.by_module.iter()
    }

    /// `None` if the path leads to another crate, or to a name that no module of this crate has.
    pub(crate) fn resolve(&self, module: &[&'static str], path: &[&'static str]) -> Option<Target> {
        self.follow(module, path, &mut Vec::new())
    }

    /// `visited` has the look-ups that this one is a part of, because re-exports may lead in a circle.
    fn follow(&self, module: &[&'static str], path: &[&'static str], visited: &mut Vec<Visit>) -> Option<Target> {
        let (mut at, mut rest) = match path {
            ["crate", rest @ ..] => (Vec::new(), rest),
            ["self", rest @ ..] => (module.to_vec(), rest),
            ["super", ..] => {
                let supers = path.iter().take_while(|segment| **segment == "super").count();
                (module[..module.len().checked_sub(supers)?].to_vec(), &path[supers..])
            }
            [first, rest @ ..] => match self.look_up(module, first, visited)? {
                Target::Module(found) => (found, rest),
                item => return Some(item),
            },
            [] => return None,
        };
        while let [name, after @ ..] = rest {
            match self.look_up(&at, name, visited) {
                Some(Target::Module(found)) => (at, rest) = (found, after),
                Some(item) => return Some(item),
                // A name that a macro defines.
                None => return Some(Target::ItemOf(at)),
            }
        }
        Some(Target::Module(at))
    }

    fn look_up(&self, module: &[&'static str], name: &'static str, visited: &mut Vec<Visit>) -> Option<Target> {
        let visit = (module.to_vec(), name);
        if visited.contains(&visit) {
            return None;
        }
        let child: ModulePath = module.iter().copied().chain([name]).collect();
        if self.by_module.contains_key(&child) {
            return Some(Target::Module(child));
        }
        let scope = self.by_module.get(module)?;
        if scope.definitions.contains(name) {
            return Some(Target::ItemOf(module.to_vec()));
        }
        visited.push(visit);
        let found = self.imported(scope, module, name, visited);
        visited.pop();
        found
    }

    fn imported(
        &self,
        scope: &Scope,
        module: &[&'static str],
        name: &'static str,
        visited: &mut Vec<Visit>,
    ) -> Option<Target> {
        let named = scope.uses.iter().filter(|import| import.name == name);
        if let Some(found) = named.filter_map(|import| self.follow(module, &import.path, visited)).next() {
            return Some(found);
        }
        let globs = scope.uses.iter().filter(|import| import.name == "*");
        globs
            .filter_map(|glob| {
                let target = self.follow(module, &glob.path, visited)?;
                self.look_up(target.module(), name, visited)
            })
            .next()
    }
}

impl Scope {
    pub(crate) fn new(code: &[Token]) -> Self {
        let mut scope = Self { definitions: definitions(code), ..Self::default() };
        let mut at = 0;
        let mut is_public = false;
        while at < code.len() {
            let end = after_visibility(code, at);
            if end > at {
                is_public = true;
                at = end;
                continue;
            }
            at = scope.read(code, at, is_public);
            is_public = false;
        }
        scope
    }

    /// Takes the `use` declaration, the path or the token at `at`. Returns the index after it.
    fn read(&mut self, code: &[Token], at: usize, is_public: bool) -> usize {
        let token = code[at];
        // `use<..>` names the generics that a type captures.
        let is_use = token.is("use") && code.get(at + 1).is_some_and(|next| !next.is("<"));
        if is_use {
            return read_tree(code, at + 1, &[], is_public, &mut self.uses);
        }
        let follows = at > 0 && (code[at - 1].is("::") || code[at - 1].is("."));
        if token.kind != Kind::Word || follows {
            return at + 1;
        }
        self.words.insert(token.text);
        let path = path_at(code, at);
        let end = at + 2 * path.len() - 1;
        if path.len() > 1 {
            self.paths.push(path);
        }
        end
    }
}

fn path_at(code: &[Token], mut at: usize) -> Vec<&'static str> {
    let mut path = vec![code[at].text];
    while let [separator, name, ..] = &code[at + 1..] {
        if !separator.is("::") || name.kind != Kind::Word {
            break;
        }
        path.push(name.text);
        at += 2;
    }
    path
}

/// Reads one branch of a `use` tree. Returns the index after it.
fn read_tree(code: &[Token], mut at: usize, prefix: &[&'static str], is_public: bool, uses: &mut Vec<Use>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = code.get(at) {
        match token.text {
            "{" => return read_group(code, at + 1, &path, is_public, uses),
            "*" => {
                uses.push(Use { path, name: "*", is_public });
                return at + 1;
            }
            "::" if path.is_empty() => path.push("::"),
            "::" => {}
            name => {
                if name != "self" || path.is_empty() {
                    path.push(name);
                }
                let next = code.get(at + 1).map_or("", |token| token.text);
                let alias = code.get(at + 2).filter(|_| next == "as").map(|token| token.text);
                if next != "::" {
                    let name = alias.or(path.last().copied()).unwrap_or_default();
                    uses.push(Use { path, name, is_public });
                    return at + if alias.is_some() { 3 } else { 1 };
                }
            }
        }
        at += 1;
    }
    at
}

fn read_group(code: &[Token], mut at: usize, prefix: &[&'static str], is_public: bool, uses: &mut Vec<Use>) -> usize {
    while let Some(token) = code.get(at) {
        match token.text {
            "}" => return at + 1,
            "," => at += 1,
            _ => at = read_tree(code, at, prefix, is_public, uses),
        }
    }
    at
}

/// The names that are defined on the top level of the code.
fn definitions(code: &[Token]) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    let mut depth = 0;
    for (index, token) in code.iter().enumerate() {
        depth += depth_change(token);
        if depth > 0 {
            continue;
        }
        match &code[index..] {
            [keyword, name, ..] if DEFINITIONS.contains(&keyword.text) && name.kind == Kind::Word => {
                names.insert(name.text);
            }
            [keyword, mark, name, ..] if keyword.is("macro_rules") && mark.is("!") => {
                names.insert(name.text);
            }
            _ => {}
        }
    }
    names
}
