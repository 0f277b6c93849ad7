//! What the library says of its results and errors.

use crate::{
    declarations::HEADER,
    header::is_result,
    program::{Library, Program, Watch},
    world,
};

#[test]
fn every_result_has_the_name_that_the_header_gives_it() {
    let mut text = String::from("#include \"check.h\"\n\nint main(void) {\n    const char *name;\n");
    let results: Vec<_> = HEADER.constants.iter().filter(|(name, _)| is_result(name)).collect();
    assert!(results.len() > 40, "the results were found");
    for (name, _) in &results {
        text += &format!("    OK(pusher_result_name({name}, &name));\n    CHECK(strcmp(name, \"{name}\") == 0);\n");
    }
    let without_a_name = (-1..1000).filter(|number| !results.iter().any(|(_, result)| result == number));
    for number in without_a_name {
        text += &format!("    GIVES(pusher_result_name({number}, &name), PUSHER_NOTHING);\n");
    }
    text += "    return 0;\n}\n";
    Program::generated("names", &text, Library::Shared, Watch::Nobody).succeeds([""; 0]);
}

/// The words that options and other languages use.
#[test]
fn every_state_and_kind_has_its_name_in_small_letters() {
    let mut text = String::from("#include \"check.h\"\n\nint main(void) {\n    const char *name;\n");
    for (prefix, function) in [("PUSHER_STATE_", "pusher_state_name"), ("PUSHER_KIND_", "pusher_kind_name")] {
        let constants: Vec<_> =
            HEADER.constants.iter().filter_map(|(name, _)| Some((name, name.strip_prefix(prefix)?))).collect();
        assert!(constants.len() > 5, "the numbers were found");
        for (constant, name) in constants {
            let name = name.to_lowercase();
            text += &format!("    OK({function}({constant}, &name));\n    CHECK(strcmp(name, \"{name}\") == 0);\n");
        }
        text += &format!("    GIVES({function}(-1, &name), PUSHER_NOTHING);\n");
        text += &format!("    GIVES({function}(99, &name), PUSHER_NOTHING);\n");
    }
    text += "    return 0;\n}\n";
    Program::generated("words", &text, Library::Shared, Watch::Nobody).succeeds([""; 0]);
}

fn last_error(watch: Watch) {
    let server = world::server();
    Program::written("last_error", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn the_last_error_of_each_thread_stays_until_its_next_and_its_text_is_cut_as_by_snprintf() {
    last_error(Watch::Nobody);
}

#[test]
fn the_last_error_under_valgrind() {
    last_error(Watch::Valgrind);
}

#[test]
fn the_last_error_with_address_sanitizer() {
    last_error(Watch::AddressSanitizer);
}
