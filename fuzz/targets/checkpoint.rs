#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| remotecall_store::fuzzing::checkpoint(bytes));
