#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| remotecall_wire::fuzzing::frame(bytes));
