use std::fs;
use std::process::Command;

use assay_verifier::dsse::KeyKind;
use tempfile::TempDir;

use super::*;
use crate::transport::ssh::keys::KeyError as KeyFileError;

const TYPE: &str = "application/vnd.assay.test+json";
const PAYLOAD: &[u8] = b"{}";

fn no_passphrase(_: &Path) -> Option<String> {
    None
}

fn load(path: &Path) -> Result<SiteKey, SiteKeyError> {
    SiteKey::load(path, &mut no_passphrase)
}

fn run(folder: &TempDir, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).current_dir(folder.path()).output();
    let output = output
        .unwrap_or_else(|_| panic!("apt-get install {}: {} is missing", "openssl openssh-client", words[0]));
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Signs with the key, checks the envelope, and returns its only signature.
async fn signature(key: &SiteKey) -> Vec<u8> {
    let envelope = key.sign(TYPE, PAYLOAD.to_vec()).await.unwrap();
    let keys = [key.public().clone()];
    assert_eq!(envelope.verify(TYPE, &keys).unwrap().payload, PAYLOAD);
    let json: serde_json::Value = serde_json::from_str(&envelope.to_json()).unwrap();
    base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        json["signatures"][0]["sig"].as_str().unwrap(),
    )
    .unwrap()
}

#[tokio::test]
#[cfg_attr(windows, ignore = "needs OpenSSL and ssh-keygen")]
async fn every_kind_of_key_works_with_openssl_and_ssh_keygen() {
    for kind in [KeyKind::Ed25519, KeyKind::EcdsaP256, KeyKind::EcdsaP384] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let created = create(&path, kind, "site 7").unwrap();
        let key = load(&path).unwrap();
        assert_eq!(key.public(), &created.public);

        let shown = run(&folder, "ssh-keygen -l -f key.pub");
        assert!(shown.contains(&format!(" {} site 7 ", key.public().id())), "{shown}");

        fs::write(folder.path().join("sig"), signature(&key).await).unwrap();
        let message = dsse::pre_authentication_encoding(TYPE, PAYLOAD);
        fs::write(folder.path().join("message"), message).unwrap();
        run(&folder, "openssl pkey -in key -pubout -out public.pem");
        let public = fs::read(folder.path().join("public.pem")).unwrap();
        assert_eq!(&VerifyingKey::read(&public).unwrap(), key.public());
        run(
            &folder,
            match kind {
                KeyKind::Ed25519 => {
                    "openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in message -sigfile sig"
                }
                KeyKind::EcdsaP256 => "openssl dgst -sha256 -verify public.pem -signature sig message",
                KeyKind::EcdsaP384 => "openssl dgst -sha384 -verify public.pem -signature sig message",
            },
        );
    }
}

#[tokio::test]
#[cfg_attr(windows, ignore = "needs OpenSSL and ssh-keygen")]
async fn signs_with_keys_of_ssh_keygen_and_openssl_and_asks_for_passphrases() {
    let folder = tempfile::tempdir().unwrap();
    for (name, made) in [
        ("a", "ssh-keygen -q -t ed25519 -N secret -f a"),
        ("b", "ssh-keygen -q -t ecdsa -b 384 -N secret -f b"),
        ("c", "openssl genpkey -algorithm ed25519 -aes256 -pass pass:secret -out c"),
        (
            "d",
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:secret -out d",
        ),
    ] {
        run(&folder, made);
        let path = folder.path().join(name);
        let with = |passphrase: &str| SiteKey::load(&path, &mut |_| Some(passphrase.to_owned()));
        signature(&with("secret").unwrap()).await;
        assert!(matches!(with("wrong"), Err(SiteKeyError::Private(KeyFileError::WrongPassphrase { .. }))));
        assert!(matches!(load(&path), Err(SiteKeyError::Private(KeyFileError::NoPassphrase { .. }))));
    }
    run(&folder, "ssh-keygen -q -t rsa -N secret -f r");
    let rsa = SiteKey::load(&folder.path().join("r"), &mut |_| Some("secret".to_owned()));
    assert!(matches!(rsa, Err(SiteKeyError::Unsuitable { source: KeyError::Kind { .. }, .. })));
}

#[test]
fn overwrites_nothing_and_only_the_owner_reads_the_private_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    create(&path, KeyKind::Ed25519, "").unwrap();
    let before = fs::read(&path).unwrap();
    let again = || create(&path, KeyKind::Ed25519, "").unwrap_err();
    assert!(matches!(again(), SiteKeyError::Exists { .. }));
    fs::remove_file(folder.path().join("key.pub")).unwrap();
    assert!(matches!(again(), SiteKeyError::Exists { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!folder.path().join("key.pub").exists(), "a public key without its private key is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let nowhere = create(&folder.path().join("no/key"), KeyKind::Ed25519, "").unwrap_err();
    assert!(matches!(nowhere, SiteKeyError::Write { .. }));
    assert!(matches!(load(&folder.path().join("absent")), Err(SiteKeyError::Unreadable { .. })));
    fs::write(&path, "not a key").unwrap();
    assert!(matches!(load(&path), Err(SiteKeyError::Private(KeyFileError::NotAKey { .. }))));
}
