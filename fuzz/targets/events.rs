#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tensorplex_fuzz::events::read(bytes));
