//! Certificates, CRLs, OCSP responses and timestamp tokens made to order, each right but for what a test makes wrong.
//!
//! Keys are made anew in every run; nothing that is tested depends on their bytes.

pub(crate) mod cms;
pub(crate) mod crl;
pub(crate) mod der;
pub(crate) mod ocsp;
pub(crate) mod pki;

use std::path::PathBuf;

use assay_verifier::time::UnixTime;

/// A time of the form `2026-01-31T12:00:00Z`.
pub(crate) fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/real");

/// The path of the real data, which are others' property and lie beside the checkout; none where they are absent, which is
/// said.
pub(crate) fn real_data() -> Option<PathBuf> {
    let root = PathBuf::from(REAL);
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("not run: {REAL} is absent");
    None
}

/// Changes each byte in turn, and cuts the end off at many places; hands every result to `check`.
pub(crate) fn mutate(bytes: &[u8], mut check: impl FnMut(&[u8])) {
    for at in 0..bytes.len() {
        let mut mutated = bytes.to_vec();
        mutated[at] ^= [0x01, 0x80, 0xff][at % 3];
        check(&mutated);
    }
    for end in (0..bytes.len()).step_by(7) {
        check(&bytes[..end]);
    }
}
