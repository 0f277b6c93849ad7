//! Generates C programs from the header: calls of every function, each with one argument replaced.

use std::fmt::Write;

use crate::declarations::{Function, HEADER, Parameter};

/// A call with valid arguments, except for those that [`Call::with`] replaces.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    function: &'a Function,
    /// Names the call in the message of a failure.
    label: String,
    arguments: Vec<String>,
}

impl<'a> Call<'a> {
    pub(crate) fn of(function: &'a Function) -> Self {
        let arguments = function.parameters.iter().map(|parameter| valid(function, parameter)).collect();
        Self { function, label: function.name.clone(), arguments }
    }

    pub(crate) fn with(mut self, index: usize, argument: &str) -> Self {
        let name = &self.function.parameters[index].name;
        write!(self.label, ", {name} is {}", argument.replace(['\\', '"'], "'")).expect("memory");
        self.arguments[index] = argument.to_owned();
        self
    }

    /// The call fails with this error, writes nothing, and destroys the `user_data` that it did not register.
    pub(crate) fn fails(&self, error: &str) -> String {
        let label = &self.label;
        let mut checks = format!("expect_error(\"{label}\", result, {error});\n");
        for out in self.outs() {
            let name = out_name(out);
            writeln!(checks, "        expect_unwritten(\"{label}\", &{name}, sizeof {name});").expect("memory");
        }
        if self.function.has_destructor() {
            let check = "atomic_load(&destructions) - before, 1);";
            writeln!(checks, "        expect(\"{label}\", \"destructor count\", {check}").expect("memory");
        }
        self.block(&checks)
    }

    /// The call returns no error.
    pub(crate) fn works(&self) -> String {
        let label = &self.label;
        let mut checks = format!("expect(\"{label}\", \"is no error\", result < PUSHER_ERR_NULL ? 0 : result, 0);\n");
        for out in self.outs().filter(|out| is_owned(out)) {
            let (name, free) = (out_name(out), out.is_out().unwrap_or_default().trim_end_matches('*'));
            writeln!(checks, "        if (result == PUSHER_OK) {free}_free({name});").expect("memory");
        }
        if self.arguments.iter().any(|argument| argument == "count_destruction") {
            checks += "        registrations++;\n";
        }
        self.block(&checks)
    }

    /// The call without checks, for functions that return nothing.
    pub(crate) fn returns(&self) -> String {
        format!("    {}({});\n", self.function.name, self.arguments.join(", "))
    }

    fn block(&self, checks: &str) -> String {
        let mut block = String::from("    {\n");
        for out in self.outs() {
            let (name, type_name) = (out_name(out), out.is_out().expect("an out-parameter"));
            writeln!(block, "        {type_name} {name};\n        memset(&{name}, UNWRITTEN, sizeof {name});")
                .expect("memory");
        }
        if self.function.has_destructor() {
            block += "        int before = atomic_load(&destructions);\n        (void)before;\n";
        }
        let call = format!("{}({})", self.function.name, self.arguments.join(", "));
        writeln!(block, "        int32_t result = {call};\n        {checks}    }}").expect("memory");
        block
    }

    /// The out-parameters that point to a variable of the block.
    fn outs(&self) -> impl Iterator<Item = &Parameter> {
        let given = self.function.parameters.iter().zip(&self.arguments);
        given.filter(|(parameter, argument)| **argument == format!("&{}", out_name(parameter))).map(|(out, _)| out)
    }
}

fn out_name(parameter: &Parameter) -> String {
    format!("out_{}", parameter.name)
}

/// Whether the caller owns the written value: a handle that is not `const`.
fn is_owned(out: &Parameter) -> bool {
    out.is_out().is_some_and(|target| target.starts_with("pusher_"))
}

/// A whole program from these parts. Its variable `world` has valid handles.
pub(crate) fn program(parts: &[String]) -> String {
    let mut text = String::from("#include \"expect.h\"\n\nstatic struct world world;\n\n");
    for callback in HEADER.callbacks.values() {
        let parameters = callback.parameters.iter().map(|p| format!("{} {}", p.type_name, p.name));
        let ignored = callback.parameters.iter().map(|parameter| format!("(void){};", parameter.name));
        let end = if callback.result == "void" { "" } else { " return 1;" };
        let (result, name) = (&callback.result, &callback.name);
        let (parameters, ignored) = (parameters.collect::<Vec<_>>().join(", "), ignored.collect::<Vec<_>>().join(" "));
        writeln!(text, "static inline {result} ignore_{name}({parameters}) {{ {ignored}{end} }}").expect("memory");
    }
    text += "\nint main(int count, char **arguments) {\n    CHECK(count >= FURTHER);\n";
    text += "    world_begin(&world, arguments);\n";
    parts.iter().for_each(|part| text += part);
    text + "    return failures != 0;\n}\n"
}

/// An argument that the function takes.
fn valid(function: &Function, parameter: &Parameter) -> String {
    let name = &*parameter.name;
    if parameter.is_out().is_some() {
        return format!("&{}", out_name(parameter));
    }
    if let Some(handle) = parameter.handle() {
        return valid_handle(&function.name, handle);
    }
    if parameter.is_text() {
        return format!("\"{}\"", valid_text(&function.name, name).replace('"', "\\\""));
    }
    if parameter.is_callback() {
        return format!("ignore_{}", parameter.type_name);
    }
    let argument = match (&*parameter.type_name, name) {
        ("pusher_destructor", _) => "count_destruction",
        ("void*", _) => "&world",
        ("char*", _) => "(char[100]){0}",
        (_, "size") => "100",
        // The valid text beside each length has two bytes.
        (_, "length") => "2",
        (_, "timeout_ms" | "time_ms" | "index" | "status" | "result" | "state") => "0",
        (_, "value" | "max") => "1",
        (_, "kind") => "PUSHER_KIND_EVENT",
        (_, "level") => "PUSHER_LOG_OFF",
        (_, "program") => "PUSHER_ABI_VERSION",
        (type_name, name) => panic!("no valid value is known for `{type_name} {name}` of {}", function.name),
    };
    argument.to_owned()
}

fn valid_handle(function: &str, handle: &str) -> String {
    let member = match (handle, function.strip_prefix("pusher_notification_")) {
        ("pusher_notification", Some("user_id" | "user_info")) => "member",
        ("pusher_notification", Some("state" | "previous_state" | "attempt" | "retry_in")) => "change",
        ("pusher_notification", Some("error")) => "refusal",
        ("pusher_notification", _) => "event",
        (handle, _) => handle.strip_prefix("pusher_").unwrap_or(handle),
    };
    format!("world.{member}")
}

fn valid_text(function: &str, name: &str) -> &'static str {
    match (function, name) {
        ("pusher_config_set_int", "option") => "port",
        ("pusher_config_set_bool", "option") => "tls",
        ("pusher_config_add", "option") => "header",
        ("pusher_config_set", "option") => "host",
        ("pusher_receiver_options_set_int", "option") => "capacity",
        ("pusher_receiver_options_set", "option") => "channel",
        ("pusher_subscribe_with_auth" | "pusher_subscribe_with_auth_json", "channel") => "private-other",
        (_, "value") => "room",
        (_, "channel") => "presence-room",
        (_, "event") => "client-e",
        (_, "id") => "ann",
        (_, "counter") => "events",
        (_, "name") => "X-Name",
        (_, "key" | "secret") => "k",
        (_, "socket_id") => "1.1",
        (_, "message") => "no",
        (_, "auth") => "app-key:nonsense",
        (_, "shared_secret") => "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
        (_, "user_data" | "channel_data") => r#"{"id": "ann"}"#,
        (_, "json" | "text" | "data") => "{}",
        (function, name) => panic!("no valid text is known for `{name}` of {function}"),
    }
}

/// Each function that returns a result, with the index of each of its parameters for which the condition holds.
pub(crate) fn parameters(
    condition: impl Fn(&Function, &Parameter) -> bool,
) -> impl Iterator<Item = (&'static Function, usize)> {
    HEADER.with_a_result().flat_map(move |function| {
        let places = function.parameters.iter().enumerate();
        let places = places.filter(|(_, parameter)| condition(function, parameter));
        places.map(|(place, _)| (function, place)).collect::<Vec<_>>()
    })
}
