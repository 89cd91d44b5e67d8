//! CRLs, cached CRLs and OCSP responses.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut evidence = assay_shared::revocation::Evidence::default();
    let _ = evidence.add_file("fuzz.crl", data);
    let _ = evidence.crls();
});
