//! Manifests and indexes, and which of them are signatures.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = assay_shared::oci::Manifest::parse(data) {
        let _ = assay_shared::signature_manifest::SignatureManifest::of(assay_shared::oci::media_type::OCI_MANIFEST, &manifest);
    }
});
