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
