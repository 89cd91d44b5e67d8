//! Private key files in every form and with every encryption that ssh-keygen, openssl and puttygen write: read, or refused for what
//! they are. A right passphrase is never called wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assay::transport::ssh::keys::{KeyError, KeyFile, public_half_of_encrypted};
use assay_report::{CleanUpResult, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::node::{Node, Site, key, need, scratch, wait_until};

const RIGHT: &str = "open sesame";

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Key,
    NotAKey,
    Encryption,
    NoPassphrase,
    WrongPassphrase,
}

fn read(path: &Path, passphrase: Option<&str>) -> (Read, Option<String>) {
    let read = KeyFile::read(path, None, &mut |_| passphrase.map(str::to_owned));
    match read {
        Ok(file) => (Read::Key, Some(public(&file.key.public_key().to_openssh().unwrap()))),
        Err(KeyError::NotAKey { .. }) => (Read::NotAKey, None),
        Err(KeyError::Encryption { .. }) => (Read::Encryption, None),
        Err(KeyError::NoPassphrase { .. }) => (Read::NoPassphrase, None),
        Err(KeyError::WrongPassphrase { .. }) => (Read::WrongPassphrase, None),
        Err(other) => panic!("{other}"),
    }
}

/// Type and Base64 of a public key's line.
fn public(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// A folder with plain keys `rsa`, `ecdsa` and `ed25519`.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(scratch());
        for kind in ["rsa", "ecdsa", "ed25519"] {
            key(&keys.path(kind), kind, "");
        }
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, program: &str, package: &str, arguments: &[&str]) {
        let mut command = Command::new(need(program, package));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn ssh_keygen(&self, from: &str, to: &str, arguments: &[&str]) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.run("ssh-keygen", "openssh-client", &[&["-q", "-p", "-f", to][..], arguments].concat());
    }

    fn openssl(&self, arguments: &[&str]) {
        let legacy: &[&str] = if arguments.contains(&"-legacy") {
            &["-provider", "legacy", "-provider", "default"]
        } else {
            &[]
        };
        let arguments: Vec<&str> = arguments.iter().copied().filter(|one| *one != "-legacy").collect();
        self.run("openssl", "openssl", &[&arguments[..], legacy].concat());
    }

    fn puttygen(&self, from: &str, to: &str, arguments: &[&str]) {
        self.run("puttygen", "putty-tools", &[&[from, "-q", "-o", to][..], arguments].concat());
    }

    /// What a file comes to with no passphrase, a wrong one and the right one; a key is the one of `of`.
    #[track_caller]
    fn expect(&self, file: &str, of: &str, expected: [Read; 3]) {
        let of = public(&fs::read_to_string(self.path(&format!("{of}.pub"))).unwrap());
        for (passphrase, expected) in [None, Some("wrong"), Some(RIGHT)].into_iter().zip(expected) {
            let (read, key) = read(&self.path(file), passphrase);
            assert_eq!(read, expected, "{file} with {passphrase:?}");
            assert!(key.is_none_or(|key| key == of), "{file}: another key");
        }
    }
}

const PLAIN: [Read; 3] = [Read::Key; 3];
const SEALED: [Read; 3] = [Read::NoPassphrase, Read::WrongPassphrase, Read::Key];
const UNSUPPORTED: [Read; 3] = [Read::Encryption; 3];

#[test]
fn what_ssh_keygen_writes() {
    let keys = Keys::new();
    let ciphers = Command::new(need("ssh", "openssh-client")).args(["-Q", "cipher"]).output().unwrap();
    let ciphers = String::from_utf8(ciphers.stdout).unwrap();
    assert!(ciphers.lines().any(|cipher| cipher == "3des-cbc"), "{ciphers}");
    for cipher in ciphers.lines() {
        keys.ssh_keygen("ed25519", cipher, &["-N", RIGHT, "-Z", cipher]);
        keys.expect(cipher, "ed25519", SEALED);
    }
    for (kind, form) in [("rsa", "PEM"), ("ecdsa", "PEM"), ("rsa", "PKCS8"), ("ecdsa", "PKCS8")] {
        let file = format!("{kind}-{form}");
        keys.ssh_keygen(kind, &file, &["-N", "", "-m", form]);
        keys.expect(&file, kind, PLAIN);
        let sealed = format!("{file}-sealed");
        keys.ssh_keygen(kind, &sealed, &["-N", RIGHT, "-m", form]);
        keys.expect(&sealed, kind, SEALED);
        // Windows programs save it like this.
        let text = fs::read_to_string(keys.path(&sealed)).unwrap().replace('\n', "\r\n");
        fs::write(keys.path("windows"), format!("\u{feff}{text}")).unwrap();
        keys.expect("windows", kind, SEALED);
    }
    // This cipher is of a later version.
    let sealed = fs::read_to_string(keys.path("aes256-ctr")).unwrap();
    let body: String = sealed.lines().filter(|line| !line.starts_with('-')).collect();
    let mut bytes = STANDARD.decode(body).unwrap();
    let at = bytes.windows(10).position(|bytes| bytes == b"aes256-ctr").unwrap();
    bytes[at..at + 10].copy_from_slice(b"aes999-new");
    let later = STANDARD.encode(bytes);
    let label = "OPENSSH PRIVATE KEY";
    fs::write(keys.path("later"), format!("-----BEGIN {label}-----\n{later}\n-----END {label}-----\n"))
        .unwrap();
    keys.expect("later", "ed25519", UNSUPPORTED);
}

#[test]
fn keys_that_openssl_writes_are_read() {
    let keys = Keys::new();
    for (kind, program) in [("rsa", "rsa"), ("ecdsa", "ec")] {
        keys.ssh_keygen(kind, &format!("{kind}.pem"), &["-N", "", "-m", "PEM"]);
        let from = format!("{kind}.pem");
        for (cipher, expected) in [
            ("-des3", SEALED),
            ("-aes128", SEALED),
            ("-aes192", SEALED),
            ("-aes256", SEALED),
            ("-camellia128", UNSUPPORTED),
            ("-aria256", UNSUPPORTED),
        ] {
            let traditional: &[&str] = if program == "rsa" { &["-traditional"] } else { &[] };
            let pass = format!("pass:{RIGHT}");
            let arguments = [program, "-in", &from, cipher, "-passout", &pass, "-out", "traditional"];
            keys.openssl(&[&arguments[..], traditional].concat());
            assert!(
                fs::read_to_string(keys.path("traditional")).unwrap().contains("DEK-Info"),
                "{kind} {cipher}"
            );
            keys.expect("traditional", kind, expected);
        }
        for (encryption, expected) in [
            (&["-v2", "aes-128-cbc"][..], SEALED),
            (&["-v2", "aes-192-cbc"], SEALED),
            (&["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"], SEALED),
            (&["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"], SEALED),
            (&["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"], SEALED),
            (&["-v2", "des3", "-v2prf", "hmacWithSHA1"], SEALED),
            (&["-v2", "des3"], SEALED),
            (&["-scrypt"], SEALED),
            (&["-v2", "camellia-256-cbc"], UNSUPPORTED),
            (&["-v1", "PBE-SHA1-3DES"], UNSUPPORTED),
            (&["-v1", "PBE-SHA1-2DES"], UNSUPPORTED),
            (&["-v1", "PBE-SHA1-DES", "-legacy"], UNSUPPORTED),
            (&["-v1", "PBE-MD5-DES", "-legacy"], UNSUPPORTED),
            (&["-v1", "PBE-SHA1-RC2-128", "-legacy"], UNSUPPORTED),
        ] {
            let pass = format!("pass:{RIGHT}");
            let arguments = ["pkcs8", "-topk8", "-in", &from, "-passout", &pass, "-out", "pkcs8"];
            keys.openssl(&[&arguments[..], encryption].concat());
            let (file, text) = (keys.path("pkcs8"), fs::read_to_string(keys.path("pkcs8")).unwrap());
            assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{}", file.display());
            keys.expect("pkcs8", kind, expected);
        }
    }
    // Keys that are of no use here are not called encrypted, nor their passphrase wrong.
    for algorithm in ["ed448", "x25519", "rsa-pss"] {
        let pass = format!("pass:{RIGHT}");
        keys.openssl(&["genpkey", "-algorithm", algorithm, "-aes256", "-pass", &pass, "-out", "other"]);
        keys.expect("other", "rsa", [Read::NoPassphrase, Read::WrongPassphrase, Read::NotAKey]);
    }
    keys.openssl(&["genpkey", "-algorithm", "ed25519", "-out", "plain"]);
    assert_eq!(read(&keys.path("plain"), None).0, Read::Key);
}

#[test]
fn keys_that_puttygen_writes_are_read() {
    let keys = Keys::new();
    fs::write(keys.path("passphrase"), RIGHT).unwrap();
    for kind in ["rsa", "ecdsa", "ed25519"] {
        for version in ["2", "3"] {
            let form = ["-O", "private", "--ppk-param", &format!("version={version}")];
            let plain = format!("{kind}-{version}.ppk");
            keys.puttygen(kind, &plain, &form);
            keys.expect(&plain, kind, PLAIN);
            let sealed = format!("{kind}-{version}-sealed.ppk");
            keys.puttygen(kind, &sealed, &[&form[..], &["--new-passphrase", "passphrase"]].concat());
            keys.expect(&sealed, kind, SEALED);
            // The public half can be read, so an agent can be asked for the key.
            let told = public_half_of_encrypted(&keys.path(&sealed)).unwrap().unwrap();
            let line = fs::read_to_string(keys.path(&format!("{kind}.pub"))).unwrap();
            assert_eq!(public(&told.to_openssh().unwrap()), public(&line));
        }
    }
    for derivation in ["argon2i", "argon2d"] {
        let form =
            ["-O", "private", "--ppk-param", &format!("kdf={derivation}"), "--new-passphrase", "passphrase"];
        keys.puttygen("ed25519", derivation, &form);
        keys.expect(derivation, "ed25519", SEALED);
    }
    keys.puttygen("rsa", "sshcom", &["-O", "private-sshcom", "--new-passphrase", "passphrase"]);
    keys.expect("sshcom", "rsa", [Read::NotAKey; 3]);
}

#[test]
fn what_is_no_private_key() {
    let keys = Keys::new();
    let begin = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    for text in [
        String::new(),
        "ENCRYPTED".to_owned(),
        fs::read_to_string(keys.path("rsa.pub")).unwrap(),
        begin("CERTIFICATE"),
        begin("PRIVATE KEY"),
        begin("ENCRYPTED PRIVATE KEY"),
        begin("OPENSSH PRIVATE KEY"),
        begin("DSA PRIVATE KEY"),
        begin("RSA PRIVATE KEY").replace("AAAA", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA"),
        begin("RSA PRIVATE KEY").replace("AAAA", "not Base64"),
        "PuTTY-User-Key-File-1: ssh-rsa\nEncryption: none\n".to_owned(),
        "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n".to_owned(),
    ] {
        fs::write(keys.path("file"), &text).unwrap();
        assert_eq!(read(&keys.path("file"), Some(RIGHT)).0, Read::NotAKey, "{text}");
    }
}

#[test]
fn a_key_that_cannot_be_opened_here_is_the_agents_where_it_has_it() {
    let node = Node::start();
    let keys = Keys::new();
    fs::copy(keys.path("rsa.pub"), node.path("authorized_keys")).unwrap();
    keys.ssh_keygen("rsa", "pem", &["-N", "", "-m", "PEM"]);
    let pass = format!("pass:{RIGHT}");
    keys.openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        "pem",
        "-passout",
        &pass,
        "-out",
        "old",
        "-v1",
        "PBE-SHA1-3DES",
    ]);
    let socket = keys.path("agent.socket");
    let mut agent = Command::new(need("ssh-agent", "openssh-client"));
    let mut agent = agent.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the agent's socket", || socket.exists());
    let mut add = Command::new(need("ssh-add", "openssh-client"));
    assert!(add.arg("-q").arg(keys.path("rsa")).env("SSH_AUTH_SOCK", &socket).status().unwrap().success());
    let with = |identity: &str| {
        let own = node.path("identity").display().to_string();
        let entry = node.entry("node", "good").replace(&own, &keys.path(identity).display().to_string());
        Site::new(&node.known_line(), &[entry])
    };
    let run = |site: &Site| {
        let mut command = site.run_command(&[]);
        command.env("SSH_AUTH_SOCK", &socket).env("ASSAY_KEY_PASSPHRASE", RIGHT);
        command.output().unwrap()
    };
    // First the way that the message names, then the usual one with the public key beside it.
    assert_eq!(run(&with("old")).status.code(), Some(2));
    let site = with("rsa.pub");
    site.read(&run(&site)).expect(Outcome::Verified, CleanUpResult::Removed, 0);
    fs::copy(keys.path("rsa.pub"), keys.path("old.pub")).unwrap();
    let site = with("old");
    site.read(&run(&site)).expect(Outcome::Verified, CleanUpResult::Removed, 0);
    agent.kill().unwrap();
    agent.wait().unwrap();
}
