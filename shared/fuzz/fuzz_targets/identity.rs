//! Distinguished names in trust policies.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = core::str::from_utf8(data)
        && let Ok(pattern) = assay_shared::trust_policy::SubjectPattern::parse(text)
    {
        assert!(pattern.covers(&pattern));
    }
});
