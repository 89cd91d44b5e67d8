//! COSE envelopes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(envelope) = assay_shared::envelope::Envelope::parse("application/cose", data) {
        let _ = envelope.verify();
    }
});
