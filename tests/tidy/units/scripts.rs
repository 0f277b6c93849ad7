use crate::measure::{
    scripts::{comments, marks},
    sentences::of_blocks,
};

fn commented(path: &str, text: &'static str) -> Vec<String> {
    let found = comments(text, marks(path).expect("a script"));
    of_blocks(&found).into_iter().map(|sentence| sentence.text).collect()
}

#[test]
fn a_comment_is_a_block_of_lines_with_a_mark() {
    assert_eq!(commented("a/run", "#!/bin/sh\n# One\n# goes on.\nset -e\n  # Two"), ["One goes on.", "Two"]);
    assert_eq!(commented("a.lua", "--- One.\n-- Two.\nlocal a = 1"), ["One.", "Two."]);
    assert_eq!(commented("a.mjs", "// One\n/** Two */\n/**\n * Three\n */\nb * c;"), ["One Two", "Three"]);
}

#[test]
fn docstrings_are_comments_and_literals_are_none() {
    let program = "\"\"\"One.\"\"\"\ndef f():\n    \"\"\"Two\n    goes on.\n    \"\"\"\n    return \"\"\"\n# No.\n\"\"\"\n# Three.";
    assert_eq!(commented("a.py", program), ["One.", "Two goes on.", "Three."]);
}

#[test]
fn rust_c_and_pages_are_no_scripts() {
    for path in ["a.rs", "a.h", "a.hpp", "a.c", "a.cpp", "a.md", "a.json"] {
        assert!(marks(path).is_none(), "{path}");
    }
}
