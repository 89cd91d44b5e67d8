//! containerd's `meta.db`. Seeds: `fixtures/containerd/*.db.gz`, unpacked.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| assay_agent::fuzzing::metadata(data));
