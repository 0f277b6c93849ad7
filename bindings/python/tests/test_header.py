"""The declarations of the binding agree with the header."""

import ctypes
import re
import unittest
from unittest import mock

import pusher_channels
from pusher_channels import Kind, Result, State, _errors, _library, _options, _values
from support import ROOT


class Header(unittest.TestCase):
    """The header of the library."""

    def setUp(self):
        text = re.sub(r"/\*.*?\*/", "", (ROOT / "src/capi/pusher_channels.h").read_text(), flags=re.DOTALL)
        text = re.sub(r"^#.*$|PUSHER_NULLABLE", "", text, flags=re.MULTILINE)
        self.constants = {name: int(value, 0) for name, value in re.findall(r"(PUSHER_\w+) = (\w+)", text)}
        prototypes = re.findall(r"^(\w[\w ]*?[ *]+)(pusher_\w+)\(([^()]*)\);", text, flags=re.MULTILINE)
        self.functions = {name: (squeezed(returned), parameters_of(all)) for returned, name, all in prototypes}

    def test_the_header_is_parsed(self):
        self.assertGreater(len(self.functions), 100)
        parameters = ["pusher_client*", "int32_t", "pusher_notification**"]
        self.assertEqual(self.functions["pusher_next"], ("int32_t", parameters))
        self.assertEqual(self.functions["pusher_version"], ("const char*", []))

    def test_the_functions_are_those_of_the_header(self):
        self.assertEqual(set(_library.FUNCTIONS), set(self.functions))
        for name, (returned, parameters) in self.functions.items():
            function = getattr(_library.lib, name)
            self.assertIs(function.restype, PYTHON_RESULTS[returned], name)
            self.assertEqual(list(function.argtypes), [python_type(one) for one in marked_data(parameters)], name)

    def test_the_constants_are_those_of_the_header(self):
        constants = {"PUSHER_ABI_VERSION": pusher_channels.ABI_VERSION}
        constants.update((f"PUSHER_{result.name}", result.value) for result in Result)
        constants.update((f"PUSHER_STATE_{state.name}", state.value) for state in State)
        constants.update((f"PUSHER_KIND_{kind.name}", kind.value) for kind in Kind)
        constants.update((f"PUSHER_LOG_{level.name}", level.value) for level in _errors.LogLevel)
        self.assertEqual(constants, self.constants)

    def test_the_names_are_those_of_the_library(self):
        for number in (*State, *Kind, *Result):
            self.assertEqual(_errors.name_of(type(number), number), number.name)
        self.assertEqual(Kind(99).name, "UNKNOWN_99")
        with mock.patch.object(_errors, "name_of", return_value="NEWER"):
            self.assertEqual((Kind(99).name, Kind(99) == 99), ("NEWER", True))

    def test_the_options_are_those_of_the_header(self):
        text = (ROOT / "src/capi/pusher_channels.h").read_text()
        clients = text[text.index("* Where the server is:") : text.index("int32_t pusher_config_set(")]
        options = set(re.findall(r"^ \*   (\w+)(?:\n \*)? +(?:text|integer|boolean) ", clients, flags=re.MULTILINE))
        self.assertEqual(options, {*_options.PLAIN, *(f"{name}_ms" for name in _options.SECONDS)})
        pairs = text[text.index("* Adds to an option that is a list") : text.index("int32_t pusher_config_add(")]
        pairs = set(re.findall(r"^ \*   (\w+) {3,}\w", pairs, flags=re.MULTILINE))
        self.assertEqual(pairs, {*_options.MAPPINGS.values(), *_options.PAIRS})
        called = {name for name, (_, parameters) in self.functions.items() if "_callback" in str(parameters)}
        called = {name.removeprefix("pusher_config_") for name in called if name.startswith("pusher_config_")}
        self.assertEqual(called, {*_options.CALLBACK_OPTIONS})
        start = text.index("* A queue beside the client's own")
        receivers = text[start : text.index("int32_t pusher_receiver_options_new(")]
        receivers = set(re.findall(r"^ \*   (\w+) +(?:text|integer) ", receivers, flags=re.MULTILINE))
        self.assertEqual(receivers | {"wake"}, {*_options.RECEIVER_OPTIONS})

    def test_the_fields_of_notifications_are_those_of_the_header(self):
        prefix, others = "pusher_notification_", {"clone", "free", "kind"}
        accessors = {name[len(prefix) :] for name in self.functions if name.startswith(prefix)} - others
        self.assertEqual(set(_values.FIELDS), accessors)
        self.assertEqual(set(_values.FIELDS_OF_KIND), set(Kind))


def squeezed(kind):
    return re.sub(r" *\* *", "*", " ".join(kind.split()))


def parameters_of(text):
    """Returns the types of the parameters, without their names."""
    if text.strip() in ("", "void"):
        return []
    return [squeezed(re.sub(r"\w+$", "", parameter.strip())) for parameter in text.split(",")]


def marked_data(parameters):
    """Marks data, which has its length in the next parameter and may contain a NUL. Other text must not contain one."""
    for parameter, following in zip(parameters, [*parameters[1:], None]):
        yield "data" if (parameter, following) == ("const char*", "size_t") else parameter


def python_type(kind):
    pointed_at = PYTHON_TYPES.get(kind.removesuffix("*"))
    if kind in PYTHON_TYPES:
        return PYTHON_TYPES[kind]
    if kind.endswith("**"):
        return ctypes.POINTER(ctypes.c_void_p)
    return ctypes.POINTER(pointed_at) if pointed_at else HANDLES[kind.removeprefix("const ")]

PYTHON_RESULTS = {"void": None, "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "const char*": ctypes.c_void_p}

HANDLES = {
    f"pusher_{name}*": ctypes.c_void_p
    for name in """config client receiver_options receiver notification error binding list stats auth_request pairs
        text""".split()
}

PYTHON_TYPES = {
    "void*": ctypes.c_void_p,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "data": ctypes.c_char_p,
    "const char*": _library.Text,
    "char*": ctypes.c_void_p,
    "pusher_destructor": _library.Destructor,
    "pusher_log_callback": _library.LogCallback,
    "pusher_authorize_callback": _library.AuthorizeCallback,
    "pusher_batch_authorize_callback": _library.BatchAuthorizeCallback,
    "pusher_pairs_callback": _library.PairsCallback,
    "pusher_decode_callback": _library.DecodeCallback,
    "pusher_dial_callback": _library.DialCallback,
    "pusher_wake_callback": _library.WakeCallback,
    "pusher_callback": _library.Callback,
}


if __name__ == "__main__":
    unittest.main()
