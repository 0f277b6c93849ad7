//! Comments of languages whose tokens are not those of Rust: the lines that begin with the mark of a comment, and the
//! docstrings of Python.

use super::sentences::Line;

/// The extensions of these languages. A shell script may have none.
pub(crate) const EXTENSIONS: [&str; 10] = ["", "bash", "lua", "mjs", "mts", "php", "py", "sh", "toml", "ts"];

/// The marks that begin a comment, the longest first. `None` for languages whose comments are those of Rust, and for pages.
pub(crate) fn marks(path: &str) -> Option<&'static [&'static str]> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "mjs" | "mts" | "php" | "ts" => Some(&["//", "/**", "/*", "*/", "* "]),
        "lua" => Some(&["---", "--"]),
        extension if EXTENSIONS.contains(&extension) => Some(&["#"]),
        _ => None,
    }
}

/// The comments of a text, each with its lines.
pub(crate) fn comments(text: &'static str, marks: &[&str]) -> Vec<Vec<Line>> {
    let mut comments = vec![Vec::new()];
    let mut place = Place::Code;
    for (index, line) in text.lines().enumerate() {
        let (found, next) = place.read(line.trim_start(), marks);
        place = next;
        match (found, comments.last_mut()) {
            (Some(text), Some(comment)) => comment.push(Line { number: index + 1, text }),
            _ => comments.push(Vec::new()),
        }
    }
    comments.retain(|comment| !comment.is_empty());
    comments
}

/// The quotes around docstrings and around texts of several lines in Python.
const QUOTES: &str = "\"\"\"";

#[derive(Clone, Copy)]
enum Place {
    Code,
    Docstring,
    /// In a literal that is no docstring, because it began after code.
    Literal,
}

impl Place {
    /// The text of a comment that the line has, and the place of the next line.
    fn read(self, line: &'static str, marks: &[&str]) -> (Option<&'static str>, Self) {
        let quotes = line.matches(QUOTES).count();
        let stays = quotes % 2 == 0;
        match self {
            Self::Code if line.starts_with(QUOTES) => {
                (Some(line.trim_matches('"')), if stays { Self::Code } else { Self::Docstring })
            }
            Self::Code if stays => (commented(line, marks), Self::Code),
            Self::Code => (None, Self::Literal),
            Self::Docstring => (Some(line.trim_end_matches('"')), if stays { self } else { Self::Code }),
            Self::Literal => (None, if stays { self } else { Self::Code }),
        }
    }
}

fn commented(line: &'static str, marks: &[&str]) -> Option<&'static str> {
    let is_interpreter = line.starts_with("#!");
    let text = marks.iter().find_map(|mark| line.strip_prefix(mark)).filter(|_| !is_interpreter)?;
    let text = text.strip_suffix("*/").unwrap_or(text);
    Some(text.strip_prefix(' ').unwrap_or(text))
}
