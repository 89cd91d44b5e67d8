//! A layer's tar, applied to a tree. Seeds: any small tar.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| assay_agent::fuzzing::layer(data));
