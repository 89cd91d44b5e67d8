//! Two layers as lists of entries, and what differs between their trees.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| assay_agent::fuzzing::trees(data));
