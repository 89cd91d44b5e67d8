use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};

use super::*;
use crate::file_form::FileForm;
use crate::json::JsonProblem;

const TYPE: &str = "application/vnd.assay.test+json";
const PAYLOAD: &[u8] = br#"{"a":"?>"}"#;

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key and what signs with it.
struct Signer {
    public: VerifyingKey,
    sign: Sign,
}

impl Signer {
    fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public =
            VerifyingKey::read(pem(pair.public_key().as_der().unwrap().as_ref()).as_bytes()).unwrap();
        Self { public, sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()) }
    }

    fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let public =
            VerifyingKey::read(pem(pair.public_key().as_der().unwrap().as_ref()).as_bytes()).unwrap();
        let sign = move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        Self { public, sign: Box::new(sign) }
    }

    fn signature(&self) -> Signature {
        let message = pre_authentication_encoding(TYPE, PAYLOAD);
        Signature { key_id: Some(self.public.id().to_string()), bytes: (self.sign)(&message) }
    }
}

fn all_kinds() -> [Signer; 3] {
    [
        Signer::ed25519(),
        Signer::ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Signer::ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
    ]
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

fn envelope(signatures: Vec<Signature>) -> DsseEnvelope {
    DsseEnvelope::new(TYPE.to_string(), PAYLOAD.to_vec(), signatures)
}

#[test]
fn the_protocols_own_example_of_what_is_signed() {
    let message = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(message, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(pre_authentication_encoding("", b""), b"DSSEv1 0  0 ");
}

#[test]
fn each_kind_of_key_signs_and_both_forms_of_it_are_one_key() {
    for (signer, kind) in all_kinds().iter().zip(["Ed25519", "P-256", "P-384"]) {
        let envelope = DsseEnvelope::parse(envelope(vec![signer.signature()]).to_json().as_bytes()).unwrap();
        let line = format!("# a site's key\n{} someone@site\n", signer.public.to_openssh());
        let keys = [VerifyingKey::read(line.as_bytes()).unwrap()];
        assert!(keys[0] == signer.public && keys[0].kind().to_string() == kind);
        let verified = envelope.verify(TYPE, &keys).unwrap();
        assert_eq!((verified.payload, verified.signers), (PAYLOAD, vec![&signer.public]));
    }
}

#[test]
fn a_changed_byte_is_always_found() {
    for (signer, every_value) in all_kinds().iter().zip([true, false, false]) {
        let json = envelope(vec![signer.signature()]).to_json();
        let keys = [signer.public.clone()];
        let holds = |json: &[u8]| DsseEnvelope::parse(json).is_ok_and(|one| one.verify(TYPE, &keys).is_ok());
        assert!(holds(json.as_bytes()));
        let mut changed = json.clone().into_bytes();
        for at in 0..changed.len() {
            let right = changed[at];
            let changes: Vec<u8> =
                if every_value { (1..=255).collect() } else { (0..8).map(|bit| 1 << bit).collect() };
            for change in changes {
                changed[at] = right ^ change;
                assert!(!holds(&changed), "byte {at}: {:?}", String::from_utf8_lossy(&changed));
            }
            changed[at] = right;
            assert!(!holds(&json.as_bytes()[..at]), "cut at {at}");
        }
    }
}

#[test]
fn only_known_keys_count_and_theirs_must_hold() {
    let [known, other, unknown] = all_kinds();
    let keys = [known.public.clone(), other.public.clone()];
    let nameless = |signer: &Signer| Signature { key_id: None, ..signer.signature() };
    let wrong = Signature { bytes: unknown.signature().bytes, ..known.signature() };
    let verdict = |signatures| envelope(signatures).verify(TYPE, &keys).map(|found| found.signers.len());
    assert_eq!(verdict(vec![unknown.signature(), known.signature(), other.signature()]), Ok(2));
    assert_eq!(verdict(vec![nameless(&unknown), nameless(&other)]), Ok(1));
    let no_known = |key_ids| Err(VerifyError::NoKnownKey { key_ids });
    assert_eq!(verdict(vec![unknown.signature()]), no_known(vec![unknown.public.id().to_string()]));
    assert_eq!(verdict(vec![nameless(&unknown)]), no_known(vec![]));
    let key_id = known.public.id().to_string();
    assert_eq!(verdict(vec![other.signature(), wrong]), Err(VerifyError::Wrong { key_id }));
    let of_another_type = envelope(vec![known.signature()]);
    let error = of_another_type.verify("text/plain", &keys).unwrap_err();
    assert_eq!(error, VerifyError::PayloadType { found: TYPE.to_string() });
}

#[test]
fn what_is_no_envelope_is_refused() {
    let member = |member| DsseError::Member { member };
    let base64 = |member| DsseError::Base64 { member };
    let unknown = |name: &str| DsseError::UnknownMember { member: name.to_string() };
    let problem = JsonProblem::Repeated { name: "payloadType".into() };
    let repeated = JsonError { problem, line: 1, column: 32 };
    for (json, error) in [
        ("[]", DsseError::NotAnObject),
        (r#"{"payloadType":"t","payload":"","signatures":[]}"#, DsseError::NoSignature),
        (r#"{"payloadType":"t","payload":"","signatures":{}}"#, member("signatures")),
        (r#"{"payloadType":"t","payload":"","signatures":[7]}"#, DsseError::NotAnObject),
        (r#"{"payloadType":"t","payload":"","signatures":[{"keyid":"k"}]}"#, member("sig")),
        (r#"{"payloadType":"t","payload":"","signatures":[{"keyid":7,"sig":""}]}"#, member("keyid")),
        (r#"{"payloadType":7,"payload":"","signatures":[{"sig":""}]}"#, member("payloadType")),
        (r#"{"payloadType":"t","payload":"YQ","signatures":[{"sig":""}]}"#, base64("payload")),
        (r#"{"payloadType":"t","payload":"YR==","signatures":[{"sig":""}]}"#, base64("payload")),
        (r#"{"payloadType":"t","payload":"","signatures":[{"sig":"-_8="}]}"#, base64("sig")),
        (r#"{"payloadType":"t","payload":"","signatures":[{"sig":"","x":1}]}"#, unknown("x")),
        (r#"{"PayloadType":"t","payload":"","signatures":[{"sig":""}]}"#, unknown("PayloadType")),
        (r#"{"payloadType":"t","payloadType":"t"}"#, DsseError::Json(repeated)),
    ] {
        assert_eq!(DsseEnvelope::parse(json.as_bytes()), Err(error), "{json}");
    }
    let many = envelope(vec![Signature { key_id: None, bytes: Vec::new() }; limits::DSSE_SIGNATURES + 1]);
    assert_eq!(DsseEnvelope::parse(many.to_json().as_bytes()), Err(DsseError::TooManySignatures));
    assert_eq!(DsseEnvelope::parse(&vec![b' '; limits::DSSE_ENVELOPE_BYTES + 1]), Err(DsseError::TooLarge));
}

#[test]
fn what_is_no_public_key_of_a_site_is_refused() {
    let p521 = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING).unwrap();
    let p521 = pem(p521.public_key().as_der().unwrap().as_ref());
    let line = Signer::ed25519().public.to_openssh();
    let off_curve =
        format!("ecdsa-sha2-nistp256 {}", STANDARD.encode(key::ssh_blob(KeyKind::EcdsaP256, &[4; 65])));
    let other_name = line.replace("ssh-ed25519 ", "ecdsa-sha2-nistp256 ");
    let kind = |kind: &str| KeyError::Kind { kind: kind.to_string() };
    for (file, error) in [
        ("", KeyError::Form(FileForm::Empty)),
        ("<html>", KeyError::Form(FileForm::WebPage)),
        (&p521.replace('\n', "\r"), KeyError::Form(FileForm::CarriageReturns)),
        ("ssh-ed25519", KeyError::NotAKey),
        ("ssh-ed25519 AAAA", KeyError::NotAKey),
        (&other_name, KeyError::NotAKey),
        (&format!("{line}\n{line}\n"), KeyError::NotAKey),
        (&off_curve, KeyError::NotAKey),
        (&p521, kind("P-521")),
        (&p521.replace("PUBLIC", "PRIVATE"), KeyError::Private),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", KeyError::Private),
        (
            &p521.replace("PUBLIC KEY", "CERTIFICATE"),
            KeyError::OtherPemBlock { label: "CERTIFICATE".to_string() },
        ),
        (&p521.repeat(2), KeyError::NotAKey),
        ("ssh-rsa AAAA", kind("ssh-rsa")),
    ] {
        assert_eq!(VerifyingKey::read(file.as_bytes()), Err(error), "{file}");
    }
    assert_eq!(VerifyingKey::read(&[b'#'; limits::SITE_KEY_BYTES + 1]), Err(KeyError::TooLarge));
}
