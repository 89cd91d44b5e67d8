//! JWS envelopes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(envelope) = assay_shared::envelope::Envelope::parse("application/jose+json", data) {
        let _ = envelope.verify();
    }
});
