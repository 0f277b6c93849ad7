//! A panic inside the library does not unwind into the program. It is a result, or ends the process if the library was built
//! with `panic = "abort"`.

use std::{os::unix::process::ExitStatusExt, process::Output};

use crate::{
    declarations::{Function, HEADER, Parameter},
    program::{Library, Program, Tool},
};

/// Functions that return a constant. They cannot panic, so that they need no boundary.
const CONSTANT: [&str; 2] = ["pusher_abi_version", "pusher_version"];

/// The number of SIGABRT.
const ABORTED: i32 = 6;

fn functions() -> impl Iterator<Item = &'static Function> {
    HEADER.functions.iter().filter(|function| !CONSTANT.contains(&&*function.name))
}

/// A zero for the parameter. A destructor is a real one, because it runs even if a panic prevents the registration.
fn zero(parameter: &Parameter) -> &'static str {
    if parameter.type_name == "pusher_destructor" { "count_destruction" } else { "0" }
}

/// A program that calls the function that its argument names, with zeros, and checks the result.
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
    /* The other functions still work. Only the named one panics. */
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
    let program = Program::generated("panics", &program(), Library::Unwind, Tool::Plain);
    for function in functions() {
        let output = run(&program, function, &function.name);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{stderr}", function.name, output.status);
        assert_eq!(stderr, "", "{}: nothing is printed", function.name);
    }
}

#[test]
fn a_panic_ends_the_process_if_the_library_was_built_to_abort() {
    let program = Program::generated("panics", &program(), Library::Abort, Tool::Plain);
    for function in functions() {
        let output = run(&program, function, &function.name);
        // If a signal has ended the program, `timeout` exits with 128 and the signal's number, or ends by the same signal.
        let signal = output.status.signal().or_else(|| Some(output.status.code()? - 128));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(signal, Some(ABORTED), "{}: {}\n{stderr}", function.name, output.status);
    }
}

#[test]
fn a_function_that_is_not_named_does_not_panic() {
    let program = Program::generated("panics-not", &program(), Library::Unwind, Tool::Plain);
    let output = run(&program, HEADER.function("pusher_connect"), "pusher_disconnect");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("result == PUSHER_ERR_PANIC"), "NULL is an error and causes no panic: {stderr}");
}
