//! Timestamp tokens.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = assay_shared::timestamp::verify(data, b"signature", &[]);
});
