//! Shows which servers `assay bundle create` accepts as a registry, and what it says of the others: Debian's registry
//! and OpenSSL's server with certificates of every kind.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use assay_tests::certificates::{certificates, self_signed};
use assay_tests::packages::program;
use assay_tests::program::{Finished, finish};
use assay_tests::registry::{Registry, oras};
use assay_tests::served::Served;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// Debian's registry with `NAME.pem` and `NAME.key`.
fn registry(folder: &Path, name: &str) -> Registry {
    let here = folder.display();
    Registry::debian(&format!("  tls: {{certificate: {here}/{name}.pem, key: {here}/{name}.key}}\n"))
}

fn create(published: &Served, host: &str, more: &[&str]) -> Finished {
    let mut command = published.bundle_create();
    command.args(["--retries", "0", "--image"]).arg(format!("{host}/team/app:v1"));
    finish(command.args(more))
}

/// That it is refused with the options that help, and in words of people: no name of a type, no brace.
#[track_caller]
fn is_refused(published: &Served, done: Finished, options: &[&str]) {
    for option in options {
        assert!(done.stderr.contains(option), "{option}: {}", done.stderr);
    }
    for word in [
        "UnknownIssuer",
        "CaUsedAsEndEntity",
        "InvalidCertificate",
        "InvalidContentType",
        "Connect",
        "client error",
        "{",
        "Other(",
    ] {
        assert!(!done.stderr.contains(word), "{word}: {}", done.stderr);
    }
    published.is_not_written(done);
}

#[test]
fn a_certificate_that_is_given_itself_is_taken_though_it_is_one_of_an_authority() {
    let Some(oras) = oras() else { return };
    let published = Served::new(AGENT, ASSAY);
    let folder = published.path("");
    self_signed(&folder, "own", "p256-c", &["127.0.0.1"], false);
    self_signed(&folder, "other", "p256-d", &["127.0.0.1"], false);
    let registry = registry(&folder, "own");
    let host = registry.host();
    let [own, other] = ["own.pem", "other.pem"].map(|name| published.path(name).display().to_string());
    published.push(&oras, &host, &["--to-insecure"]);
    is_refused(&published, create(&published, &host, &[]), &["--ca"]);
    // One has the same name, and one another.
    is_refused(&published, create(&published, &host, &["--ca", &other]), &["--ca"]);
    let _ = create(&published, &host, &["--ca", &other, "--ca", &own]).expect_code(0);
    published.passes();
}

/// The very command of the distribution project's documentation, with keys of every kind.
#[test]
fn what_openssl_makes_is_taken() {
    let Some(oras) = oras() else { return };
    let published = Served::new(AGENT, ASSAY);
    let folder = published.path("");
    let mut tried = 0;
    for key in
        ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256", "ec -pkeyopt ec_paramgen_curve:P-384", "ed25519"]
    {
        let mut openssl = Command::new(program("openssl", "openssl"));
        openssl.args([
            "req", "-nodes", "-sha256", "-keyout", "own.key", "-x509", "-days", "365", "-out", "own.pem",
        ]);
        openssl.args(["-subj", "/CN=registry", "-addext", "subjectAltName = IP:127.0.0.1", "-newkey"]);
        let _ = finish(openssl.args(key.split(' ')).current_dir(&folder)).expect_code(0);
        let registry = registry(&folder, "own");
        published.push(&oras, &registry.host(), &["--to-insecure"]);
        eprintln!("{key}");
        let _ =
            create(&published, &registry.host(), &["--ca", &published.path("own.pem").display().to_string()])
                .expect_code(0);
        published.passes();
        // hosts.toml, and a folder of Docker's kind
        for (file, text) in [("hosts.toml", "ca = \"own.crt\"\n"), ("notes.txt", "")] {
            let certs = published.path("certs.d").join(registry.host());
            let _ = std::fs::remove_dir_all(&certs);
            std::fs::create_dir_all(&certs).unwrap();
            std::fs::write(certs.join(file), text).unwrap();
            std::fs::copy(published.path("own.pem"), certs.join("own.crt")).unwrap();
            let hosts = published.path("certs.d").display().to_string();
            let _ = create(&published, &registry.host(), &["--hosts-dir", &hosts]).expect_code(0);
        }
        tried += 1;
    }
    assert_eq!(tried, 4);
}

#[test]
fn a_certificate_that_is_given_must_still_be_valid_for_the_name_and_the_time() {
    let published = Served::new(AGENT, ASSAY);
    let folder = published.path("");
    for (name, names, is_expired) in [
        ("named", &["registry.example.test"][..], false),
        ("nobody", &[], false),
        ("expired", &["127.0.0.1"], true),
    ] {
        self_signed(&folder, name, "p256-c", names, is_expired);
        let registry = registry(&folder, name);
        let given = published.path(&format!("{name}.pem")).display().to_string();
        for more in [&[][..], &["--ca", &given]] {
            eprintln!("{name} {more:?}");
            is_refused(&published, create(&published, &registry.host(), more), &["--ca"]);
        }
    }
}

/// The key counts: the certificate alone does not get past the handshake.
#[test]
fn a_certificate_without_its_key_is_nobody() {
    let published = Served::new(AGENT, ASSAY);
    let folder = published.path("");
    self_signed(&folder, "own", "p256-c", &["127.0.0.1"], false);
    self_signed(&folder, "thief", "p256-d", &["127.0.0.1"], false);
    let registry = registry(&folder, "thief");
    let own = published.path("own.pem").display().to_string();
    is_refused(&published, create(&published, &registry.host(), &["--ca", &own]), &["--ca"]);
}

#[test]
fn who_speaks_tls_and_who_does_not_is_said_with_the_option_that_helps() {
    let published = Served::new(AGENT, ASSAY);
    let folder = published.path("");
    certificates(&folder);
    let plain = Registry::debian("");
    is_refused(
        &published,
        create(&published, &plain.host(), &[]),
        &[&format!("--plain-http {}", plain.host())],
    );
    let with_tls = registry(&folder, "server");
    let openssl = OpenSsl::start(&folder);
    for host in [with_tls.host(), openssl.host()] {
        is_refused(&published, create(&published, &host, &["--plain-http", &host]), &["--plain-http"]);
        is_refused(&published, create(&published, &host, &[]), &["--ca"]);
    }
    // what it names is not the file of a certificate
    let done =
        create(&published, &plain.host(), &["--ca", &published.path("server.key").display().to_string()]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("server.key"), "{}", done.stderr);
}

/// OpenSSL's own server. Dropping it ends it.
struct OpenSsl {
    port: u16,
    server: Child,
}

impl OpenSsl {
    fn start(folder: &Path) -> Self {
        let port = assay_tests::sshd::free_port();
        let mut command = Command::new(program("openssl", "openssl"));
        command.args([
            "s_server",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
            "server.pem",
            "-key",
            "server.key",
            "-www",
        ]);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { port, server }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
