//! Certificates that are right but for what a test makes wrong, the real data, and changes to bytes.

use std::path::PathBuf;

use assay_fixtures::certificate::{Credential, Extension, Name, Profile};
use assay_fixtures::der::{context, context_primitive, null, sequence};
use assay_fixtures::keys::Key;
use assay_verifier::time::UnixTime;
use assay_verifier::x509::Certificate;

pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(crate) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
pub(crate) const ALTERNATIVE_NAMES: &str = "2.5.29.17";
pub(crate) const NAME_CONSTRAINTS: &str = "2.5.29.30";
pub(crate) const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
pub(crate) const SHA256: &str = "2.16.840.1.101.3.4.2.1";
pub(crate) const SHA1: &str = "1.3.14.3.2.26";

/// A time of the form `2026-01-31T12:00:00Z`.
pub(crate) fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

/// Midnight of a day of the form `2026-01-31`.
pub(crate) fn day(text: &str) -> UnixTime {
    time(&format!("{text}T00:00:00Z"))
}

/// A name of one common name.
pub(crate) fn name(common_name: &str) -> Name {
    Name(vec![("CN", common_name.into())])
}

/// A CA's certificate, to be issued.
pub(crate) fn ca_profile(common_name: &str, serial: u64) -> Profile {
    let (from, until) = validity();
    Profile::ca(name(common_name), serial, from, until)
}

/// A signer's certificate, to be issued.
pub(crate) fn leaf_profile(common_name: &str, serial: u64) -> Profile {
    let (from, until) = validity();
    Profile::signer(name(common_name), serial, from, until).without(EXTENDED_KEY_USAGE)
}

/// The certificate of a TSA, to be issued.
pub(crate) fn tsa_profile(common_name: &str, serial: u64) -> Profile {
    let (from, until) = validity();
    Profile::timestamping(name(common_name), serial, from, until)
}

fn validity() -> (UnixTime, UnixTime) {
    (day("2020-01-01"), day("2120-01-01"))
}

/// A root, with the key of its name and serial number.
pub(crate) fn self_signed(profile: &Profile) -> Credential {
    Credential::self_signed(profile, &key(profile))
}

/// What `issuer` issues, with the key of its name and serial number.
pub(crate) fn issued(issuer: &Credential, profile: &Profile) -> Credential {
    issuer.issue(profile, &key(profile))
}

fn key(profile: &Profile) -> Key {
    Key::derived(&format!("{:?} {}", profile.subject, profile.serial))
}

/// Somebody else with the same certificate.
pub(crate) fn forged(credential: &Credential) -> Credential {
    Credential { key: Key::derived("forged"), ..credential.clone() }
}

/// The certificate as the verifier reads it.
pub(crate) fn parsed(credential: &Credential) -> Certificate {
    Certificate::parse(credential.certificate()).unwrap()
}

/// extKeyUsage, critical or not.
pub(crate) fn purposes(is_critical: bool, purposes: &[&str]) -> Extension {
    Extension { critical: is_critical, ..Extension::extended_key_usage(purposes) }
}

/// An extension of an unknown type.
pub(crate) fn unknown_extension(is_critical: bool) -> Extension {
    Extension::new("1.2.3.4", is_critical, null())
}

/// subjectAltName of GeneralNames.
pub(crate) fn alternative_names(is_critical: bool, names: &[Vec<u8>]) -> Extension {
    Extension::new(ALTERNATIVE_NAMES, is_critical, sequence(names))
}

/// nameConstraints of a value such as [`permitted`] gives.
pub(crate) fn name_constraints(is_critical: bool, value: Vec<u8>) -> Extension {
    Extension::new(NAME_CONSTRAINTS, is_critical, value)
}

pub(crate) fn mail(text: &str) -> Vec<u8> {
    context_primitive(1, text.as_bytes())
}

pub(crate) fn dns(text: &str) -> Vec<u8> {
    context_primitive(2, text.as_bytes())
}

pub(crate) fn address(bytes: &[u8]) -> Vec<u8> {
    context_primitive(7, bytes)
}

pub(crate) fn directory(name: &Name) -> Vec<u8> {
    context(4, &name.der())
}

pub(crate) fn subtrees(names: &[Vec<u8>]) -> Vec<u8> {
    names.iter().flat_map(|name| sequence(&[name])).collect()
}

pub(crate) fn permitted(names: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[context(0, &subtrees(names))])
}

pub(crate) fn excluded(names: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[context(1, &subtrees(names))])
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
