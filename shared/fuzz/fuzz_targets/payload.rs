//! Payloads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = assay_shared::payload::Payload::parse(data);
});
