//! Certificates, and the chain of one with itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(certificate) = assay_shared::x509::Certificate::parse(data) {
        let _ = certificate.subject().to_string();
        let _ = assay_shared::x509::check_code_signing_chain(&[certificate.clone(), certificate]);
    }
});
