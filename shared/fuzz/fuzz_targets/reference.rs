//! References, repositories and digests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = core::str::from_utf8(data) {
        if let Ok(reference) = text.parse::<assay_shared::oci::Reference>() {
            assert_eq!(reference.to_string(), text);
        }
        let _ = text.parse::<assay_shared::oci::Digest>();
    }
});
