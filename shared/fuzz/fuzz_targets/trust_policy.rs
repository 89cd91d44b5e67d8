//! Trust policies.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = assay_shared::trust_policy::TrustPolicy::parse(data);
});
