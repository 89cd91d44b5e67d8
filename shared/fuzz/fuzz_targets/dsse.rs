//! Envelopes that claim to be signed by a site, and public keys of a site.
#![no_main]

use assay_shared::dsse::{Envelope, VerifyingKey};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(key) = VerifyingKey::read(data) {
        assert!(VerifyingKey::read(key.to_openssh().as_bytes()).as_ref() == Ok(&key));
    }
    if let Ok(envelope) = Envelope::parse(data) {
        assert_eq!(Envelope::parse(envelope.to_json().as_bytes()).as_ref(), Ok(&envelope));
    }
});
