//! What a bundle says of itself.
#![no_main]

use assay_shared::bundle::BundleManifest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = BundleManifest::parse(data) {
        let again = manifest.to_bytes().map(|bytes| BundleManifest::parse(&bytes));
        assert!(matches!(again, Ok(Ok(again)) if again == manifest));
    }
});
