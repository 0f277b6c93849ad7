//! Reads the declarations of the header.

use std::{collections::BTreeMap, fmt, fs, path::Path, sync::LazyLock};

/// The header of this working tree.
pub(crate) static HEADER: LazyLock<Declarations> = LazyLock::new(|| {
    let text = fs::read_to_string(header_path()).expect("a readable header");
    Declarations::read(&text)
});

pub(crate) fn header_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capi/pusher_channels.h")
}

/// The declarations of a header or of the library's source. Types are written as in C, without spaces before a `*`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declarations {
    /// The functions in the order of the header.
    pub(crate) functions: Vec<Function>,
    pub(crate) callbacks: BTreeMap<String, Function>,
    pub(crate) constants: Vec<(String, i64)>,
    pub(crate) handles: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) result: String,
    pub(crate) parameters: Vec<Parameter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `const char*`, `pusher_client*`, `pusher_notification**`, `int32_t`.
    pub(crate) type_name: String,
    pub(crate) is_nullable: bool,
}

impl Declarations {
    fn read(text: &str) -> Self {
        let code = code_of(text);
        let mut declarations =
            Self { functions: Vec::new(), callbacks: BTreeMap::new(), constants: Vec::new(), handles: Vec::new() };
        for statement in code.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            declarations.take(statement);
        }
        assert!(declarations.functions.len() > 50, "the functions were found");
        declarations
    }

    fn take(&mut self, statement: &str) {
        if let Some(body) = statement.strip_prefix("enum") {
            self.constants.extend(constants(body));
        } else if let Some(handle) = statement.strip_prefix("typedef struct ") {
            self.handles.push(handle.split(' ').next_back().unwrap_or_default().to_owned());
        } else if let Some(callback) = statement.strip_prefix("typedef ") {
            let callback = function(&callback.replacen("(*", "", 1).replacen(')', "", 1));
            self.callbacks.insert(callback.name.clone(), callback);
        } else {
            self.functions.push(function(statement));
        }
    }

    pub(crate) fn function(&self, name: &str) -> &Function {
        self.functions.iter().find(|function| function.name == name).unwrap_or_else(|| panic!("no function {name}"))
    }

    /// The functions that return one of the PUSHER_... numbers.
    pub(crate) fn with_a_result(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| function.has_a_result())
    }

    pub(crate) fn frees(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| function.result == "void")
    }
}

impl Function {
    /// Whether it returns one of the PUSHER_... numbers. The exceptions are listed in the header's opening comment.
    pub(crate) fn has_a_result(&self) -> bool {
        self.result == "int32_t" && self.name != "pusher_last_error_text"
    }

    pub(crate) fn has_destructor(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.type_name == "pusher_destructor")
    }
}

/// The form of `frozen.txt`: without the names of the parameters, which compiled programs do not contain.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nullable = |parameter: &Parameter| if parameter.is_nullable { " PUSHER_NULLABLE" } else { "" };
        let parameters = self.parameters.iter().map(|parameter| parameter.type_name.clone() + nullable(parameter));
        write!(f, "{} {}({})", self.result, self.name, parameters.collect::<Vec<_>>().join(", "))
    }
}

impl Parameter {
    pub(crate) fn is_pointer(&self) -> bool {
        self.type_name.ends_with('*') || self.is_callback()
    }

    pub(crate) fn is_text(&self) -> bool {
        self.type_name == "const char*"
    }

    /// A callback that is not the destructor of another one's `user_data`.
    pub(crate) fn is_callback(&self) -> bool {
        self.type_name.ends_with("_callback")
    }

    /// The type of a handle that is an input: `pusher_client`.
    pub(crate) fn handle(&self) -> Option<&str> {
        let name = self.type_name.strip_suffix('*')?;
        let name = name.strip_prefix("const ").unwrap_or(name);
        (name.starts_with("pusher_") && !name.contains('*')).then_some(name)
    }

    /// The type of the value that the function writes through the pointer: `pusher_client*` or `size_t`.
    pub(crate) fn is_out(&self) -> Option<&str> {
        let target = self.type_name.strip_suffix('*')?;
        let is_input = self.is_text() || self.handle().is_some() || ["void", "char"].contains(&target);
        (!is_input).then_some(target)
    }
}

/// The text without comments, preprocessor lines, and the braces of `extern "C"`.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    code += rest;
    let is_code = |line: &&str| !line.starts_with('#') && !line.starts_with("extern \"C\"") && *line != "}";
    code.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

fn constants(body: &str) -> Vec<(String, i64)> {
    let body = body.trim().trim_start_matches('{').trim_end_matches('}');
    let entries = body.split(',').filter(|entry| !entry.trim().is_empty());
    let entries = entries.map(|entry| entry.split_once('=').expect("every constant has its number written out"));
    entries.map(|(name, number)| (name.trim().to_owned(), number_of(number.trim()))).collect()
}

pub(crate) fn number_of(text: &str) -> i64 {
    let text = text.replace('_', "");
    let hexadecimal = text.strip_prefix("0x").map(|digits| i64::from_str_radix(digits, 16));
    hexadecimal.unwrap_or_else(|| text.parse()).unwrap_or_else(|_| panic!("`{text}` is a number"))
}

/// `int32_t pusher_state(pusher_client *client, int32_t *state)`
fn function(declaration: &str) -> Function {
    let (head, parameters) = declaration.split_once('(').unwrap_or_else(|| panic!("`{declaration}` is a function"));
    let head = variable(head);
    let parameters = parameters.trim_end().trim_end_matches(')').split(',').map(str::trim);
    let parameters = parameters.filter(|parameter| *parameter != "void").map(variable).collect();
    Function { name: head.name, result: head.type_name, parameters }
}

/// `const char *PUSHER_NULLABLE channel`
fn variable(declaration: &str) -> Parameter {
    let name_start = declaration.trim_end().rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    let (type_name, name) = declaration.trim_end().split_at(name_start);
    let is_nullable = type_name.contains("PUSHER_NULLABLE");
    let words = type_name.replace("PUSHER_NULLABLE", "").replace('*', " * ");
    let type_name = words.split_whitespace().collect::<Vec<_>>().join(" ").replace(" *", "*").replace("* ", "*");
    Parameter { name: name.to_owned(), type_name, is_nullable }
}

#[test]
fn a_declaration_is_read() {
    let read = function(
        "int32_t pusher_x(const char *PUSHER_NULLABLE a,\n   pusher_list *const *b, pusher_list **c, size_t d)",
    );
    let nullable: Vec<_> = read.parameters.iter().map(|parameter| parameter.is_nullable).collect();
    assert_eq!(nullable, [true, false, false, false]);
    let shown = "int32_t pusher_x(const char* PUSHER_NULLABLE, pusher_list*const*, pusher_list**, size_t)";
    assert_eq!(read.to_string(), shown);
    assert_eq!(read.parameters[2].is_out(), Some("pusher_list*"));
    assert_eq!(number_of("0x0001_0000"), 65536);
}
