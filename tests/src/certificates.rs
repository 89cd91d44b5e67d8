//! Certificates of servers, made for one test.

use std::fs;
use std::path::Path;

/// `ca.pem`, and `server.pem` with `server.key` for 127.0.0.1.
///
/// # Panics
/// Where they cannot be made.
pub fn certificates(folder: &Path) {
    let mut authority =
        rcgen::CertificateParams::new(Vec::new()).expect("a certificate in the scratch folder");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a certificate in the scratch folder");
    let issuer =
        rcgen::CertifiedIssuer::self_signed(authority, key).expect("a certificate in the scratch folder");
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .expect("a certificate in the scratch folder");
    let server_key = rcgen::KeyPair::generate().expect("a certificate in the scratch folder");
    let certificate = server.signed_by(&server_key, &issuer).expect("a certificate in the scratch folder");
    fs::write(folder.join("ca.pem"), issuer.pem()).expect("a certificate in the scratch folder");
    fs::write(folder.join("server.pem"), certificate.pem()).expect("a certificate in the scratch folder");
    fs::write(folder.join("server.key"), server_key.serialize_pem())
        .expect("a certificate in the scratch folder");
}
