//! Certificates of servers, made for one test.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// `ca.pem`, and `server.pem` with `server.key` for 127.0.0.1.
///
/// # Panics
/// Where they cannot be made.
pub fn certificates(folder: &Path) {
    let mut authority = params(&[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, key()).expect("rcgen signs");
    let server_key = key();
    let certificate = params(&["127.0.0.1"]).signed_by(&server_key, &issuer).expect("rcgen signs");
    write(folder, "ca.pem", &issuer.pem());
    write(folder, "server.pem", &certificate.pem());
    write(folder, "server.key", &server_key.serialize_pem());
}

/// A certificate of an authority that a server uses as its own, as the documentation of registries has it made with OpenSSL:
/// `NAME.pem` with `NAME.key`.
///
/// # Panics
/// Where it cannot be made.
pub fn self_signed(folder: &Path, name: &str, names: &[&str], is_expired: bool) {
    let mut params = params(names);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    if is_expired {
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    }
    let key = key();
    let certificate = params.self_signed(&key).expect("rcgen signs");
    write(folder, &format!("{name}.pem"), &certificate.pem());
    write(folder, &format!("{name}.key"), &key.serialize_pem());
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).expect("names of servers")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("rcgen makes keys")
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("scratch folder");
}
