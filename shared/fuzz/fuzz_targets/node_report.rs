//! Node reports as a collector receives them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = serde_json::from_slice::<assay_shared::report::NodeReport>(data);
});
