//! A panic inside of the library does not leave it: it is a result, or, with `panic = "abort"`, the end of the process.

use std::{os::unix::process::ExitStatusExt, process::Output};

use crate::{
    declarations::{Function, HEADER, Parameter},
    program::{Library, Program, Watch},
};

/// Constants, which stand behind no boundary because there is nothing in them that could panic.
const CONSTANT: [&str; 2] = ["pusher_abi_version", "pusher_version"];

/// The number of SIGABRT.
const ABORTED: i32 = 6;

fn functions() -> impl Iterator<Item = &'static Function> {
    HEADER.functions.iter().filter(|function| !CONSTANT.contains(&&*function.name))
}

/// What is to be destroyed is, also when a panic keeps it from being registered.
fn zero(parameter: &Parameter) -> &'static str {
    if parameter.type_name == "pusher_destructor" { "count_destruction" } else { "0" }
}

/// Calls the function that its argument names with zeros, and checks what comes of it.
fn program() -> String {
    let mut text = String::from(
        "#include \"check.h\"\n\n\
         int main(int count, char **arguments) {\n    CHECK(count == 2);\n    const char *name = arguments[1];\n    \
         int32_t result = PUSHER_ERR_PANIC;\n",
    );
    for function in functions() {
        let zeros: Vec<_> = function.parameters.iter().map(zero).collect();
        let zeros = zeros.join(", ");
        let result = if function.has_a_result() { "result = " } else { "" };
        let name = &function.name;
        let destroys = i32::from(function.has_destructor());
        text += &format!("    if (strcmp(name, \"{name}\") == 0) {{\n        {result}{name}({zeros});\n        ");
        text += &format!("CHECK(destructions == {destroys});\n    }}\n");
    }
    text += r#"
    CHECK(result == PUSHER_ERR_PANIC);
    /* The other functions go on to work; the one that panics always does. */
    if (strstr(name, "last_error") == NULL) {
        char words[500] = "";
        CHECK(pusher_last_error_text(words, sizeof words) > 0);
        CHECK(strstr(words, "panic") != NULL);
    }
    if (strncmp(name, "pusher_config_", strlen("pusher_config_")) != 0) pusher_config_free(config_of_nothing());
    return 0;
}
"#;
    let helper = "static int destructions;\n\n\
                  static void count_destruction(void *user_data) {\n    (void)user_data;\n    destructions++;\n}\n\n\
                  static pusher_config *config_of_nothing(void) {\n    pusher_config *config;\n    \
                  OK(pusher_config_new(&config));\n    return config;\n}\n\nint main";
    text.replacen("int main", helper, 1)
}

fn run(program: &Program, function: &Function, panics: &str) -> Output {
    program.command([&function.name]).env("PUSHER_PANIC", panics).output().expect("it runs")
}

#[test]
fn a_panic_in_any_function_is_a_result_and_the_process_goes_on() {
    let program = Program::generated("panics", &program(), Library::Unwind, Watch::Nobody);
    for function in functions() {
        let output = run(&program, function, &function.name);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{said}", function.name, output.status);
        assert_eq!(said, "", "{}: nothing is printed", function.name);
    }
}

#[test]
fn a_panic_ends_the_process_where_the_library_was_built_to_abort() {
    let program = Program::generated("panics", &program(), Library::Abort, Watch::Nobody);
    for function in functions() {
        let output = run(&program, function, &function.name);
        // `timeout` tells by its exit code, or by its own end, that the program was ended by a signal.
        let signal = output.status.signal().or_else(|| Some(output.status.code()? - 128));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(signal, Some(ABORTED), "{}: {}\n{said}", function.name, output.status);
    }
}

#[test]
fn a_function_that_is_not_named_does_not_panic() {
    let program = Program::generated("panics-not", &program(), Library::Unwind, Watch::Nobody);
    let output = run(&program, HEADER.function("pusher_connect"), "pusher_disconnect");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("result == PUSHER_ERR_PANIC"), "NULL is an error, and no panic: {said}");
}
