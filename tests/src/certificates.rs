//! Makes certificates of servers.

use std::fs;
use std::path::Path;

use assay_fixtures::certificate::{Credential, Extension, Name, Profile};
use assay_fixtures::keys::Key;
use assay_verifier::time::UnixTime;

/// Writes `ca.pem`, and `server.pem` with `server.key` for 127.0.0.1.
///
/// # Panics
/// If they cannot be written.
pub fn certificates(folder: &Path) {
    let authority = Credential::self_signed(&authority("Servers", &[]), &Key::named("p256-a"));
    let mut server = profile("Server");
    server.extensions = vec![Extension::server_names(&["127.0.0.1"])];
    let server = authority.issue(&server, &Key::named("p256-b"));
    write(folder, "ca.pem", &authority.pem());
    write(folder, "server.pem", &server.pem());
    write(folder, "server.key", Key::pem("p256-b"));
}

/// Writes `NAME.pem`, a certificate of an authority that a server uses as its own, as the documentation of registries has it
/// made with OpenSSL, with `NAME.key`, which is `key` of the fixtures.
///
/// # Panics
/// If they cannot be written.
pub fn self_signed(folder: &Path, name: &str, key: &str, names: &[&str], is_expired: bool) {
    let mut profile = authority("Server", names);
    if is_expired {
        profile.not_before = time("2000-01-01T00:00:00Z");
        profile.not_after = time("2001-01-01T00:00:00Z");
    }
    write(folder, &format!("{name}.pem"), &Credential::self_signed(&profile, &Key::named(key)).pem());
    write(folder, &format!("{name}.key"), Key::pem(key));
}

/// A certificate of an authority, which is valid now and names servers as well.
fn authority(common_name: &str, names: &[&str]) -> Profile {
    let profile = profile(common_name);
    if names.is_empty() { profile } else { profile.with(Extension::server_names(names)) }
}

fn profile(common_name: &str) -> Profile {
    let name = Name::new("Example", common_name);
    Profile::ca(name, 1, time("2020-01-01T00:00:00Z"), time("2049-01-01T00:00:00Z"))
}

fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).expect("a time")
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("scratch folder");
}
