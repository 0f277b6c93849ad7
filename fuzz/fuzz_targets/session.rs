#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| pusher_channels::testability::fuzzing::session(input));
