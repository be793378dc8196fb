#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| flinks_invariants::ascii_encoding::check(input));
