#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tensorplex_fuzz::lines::send(bytes));
