//! Recognizes a file that was staged as a certificate, a CRL, a key or an archive and is something else, and says so in words
//! for the person who staged it. No verdict depends on it.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Decode as _;
use der::asn1::{AnyRef, BitStringRef};
use der::{DecodeValue, Sequence};

use crate::asn1::{Integer, Oid, Tlv, oid};
use crate::pem;
use crate::x509::Certificate;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileForm {
    /// There is nothing in it.
    Empty,
    /// Text that begins with a byte order mark.
    Marked,
    /// HTML or XML, as a proxy answers in place of a file.
    WebPage,
    /// JSON
    Json,
    /// A COSE message that is tagged as one.
    Cose,
    /// A token of parts in base64, such as a JWS in compact form.
    Token,
    /// Compressed, or an archive.
    Packed(Packer),
    /// PEM of a private key.
    PrivateKey,
    /// PEM whose lines end with a carriage return alone.
    CarriageReturns,
    /// PEM whose lines are indented, or quoted as in a mail.
    Indented,
    /// PEM with something before `-----BEGIN` or behind `-----END …-----` on the same line.
    Glued,
    /// PEM with a block that has no end, another end, or contents that are not base64.
    BrokenPem,
    /// Base64 without the lines around it that make it PEM.
    Base64,
    /// A public key as OpenSSH writes it.
    OpenSsh,
    /// A PKCS#7 or CMS message, in which CAs hand out chains.
    Pkcs7,
    /// A PKCS#12 file: certificates and a private key under a password.
    Pkcs12,
    /// A certificate in DER.
    Certificate,
    /// A CRL in DER.
    Crl,
    /// An OCSP response in DER.
    OcspResponse,
    /// A public key in DER.
    PublicKey,
    /// DER that is cut off.
    CutOff,
    /// DER of something else.
    OtherDer,
    /// Text
    Text,
    /// Anything else.
    Unknown,
}

/// What packed a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "programs by their names")]
pub enum Packer {
    Gzip,
    Zip,
    Zstd,
    Xz,
    Bzip2,
    SevenZip,
    Lz4,
    Lzip,
    Rar,
    Cabinet,
}

impl FileForm {
    /// The form of `bytes`.
    pub fn detect(bytes: &[u8]) -> Self {
        let begin = bytes.trim_ascii_start();
        if begin.is_empty() {
            Self::Empty
        } else if begins_with_mark(bytes) {
            Self::Marked
        } else if let Some(form) = Self::detect_pem(bytes) {
            form
        } else if begin.starts_with(b"<") {
            Self::WebPage
        } else if begin.starts_with(b"{") {
            Self::Json
        } else if let Some((_, packer, _)) = PACKED.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
            Self::Packed(*packer)
        } else if bytes.starts_with(&[0xd2, 0x84]) {
            Self::Cose
        } else if begin.starts_with(b"eyJ") {
            Self::Token
        } else if OPENSSH.iter().any(|name| begin.starts_with(name)) {
            Self::OpenSsh
        } else if bytes.first() == Some(&0x30) {
            Self::detect_der(bytes)
        } else if is_base64_of_der(bytes) {
            Self::Base64
        } else if bytes.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace()) {
            Self::Text
        } else {
            Self::Unknown
        }
    }

    /// What is wrong with PEM; `None` if there is no sign of PEM.
    fn detect_pem(bytes: &[u8]) -> Option<Self> {
        let count = pem::begins(bytes);
        if count == 0 {
            return None;
        }
        let blocks = pem::blocks(bytes);
        let label = |part: &str| blocks.iter().any(|block| block.label.contains(part));
        let (mut glued, mut indented) = (false, false);
        for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
            let Some(at) = [pem::BEGIN, pem::END].iter().filter_map(|mark| position(line, mark)).min() else {
                continue;
            };
            let (before, mark) = line.split_at_checked(at).unwrap_or_default();
            let is_space = before.iter().all(|byte| b" \t>".contains(byte));
            indented |= !before.is_empty() && is_space;
            let dashes = mark.windows(5).filter(|window| *window == b"-----").count();
            glued |= !is_space || dashes != 2 || !mark.ends_with(b"-----");
        }
        Some(if contains(bytes, b"PRIVATE KEY-----") {
            Self::PrivateKey
        } else if label("PKCS7") || label("CMS") {
            Self::Pkcs7
        } else if contains(bytes, b"\r") && !contains(bytes, b"\n") {
            Self::CarriageReturns
        } else if indented {
            Self::Indented
        } else if glued {
            Self::Glued
        } else if blocks.len() < count {
            Self::BrokenPem
        } else {
            let contents = blocks.first().map_or(&[][..], |block| block.contents.as_slice());
            Self::detect_der(contents)
        })
    }

    fn detect_der(bytes: &[u8]) -> Self {
        let Ok(any) = AnyRef::from_der(bytes) else {
            return if is_cut_off(bytes) { Self::CutOff } else { Self::Unknown };
        };
        let parts: alloc::vec::Vec<Tlv<'_>> = crate::asn1::SequenceOf::from_der(bytes)
            .map(|list| list.iter::<Tlv<'_>>().map_while(Result::ok).take(3).collect())
            .unwrap_or_default();
        let first = parts.first().map_or(&[][..], |part| part.0);
        let is_cms = Oid::from_der(first).is_ok_and(|oid| PKCS7.contains(&oid));
        if Certificate::parse(bytes).is_ok() {
            Self::Certificate
        } else if is_cms {
            Self::Pkcs7
        } else if PublicKeyInfo::from_der(bytes).is_ok() {
            Self::PublicKey
        } else if first.starts_with(&[0x0a]) {
            Self::OcspResponse
        } else if first == [2, 1, 3] {
            Self::Pkcs12
        } else if matches!(parts.as_slice(), [one, two, three] if is_crl(one) && starts(two, 0x30) && starts(three, 3))
        {
            Self::Crl
        } else if matches!(parts.as_slice(), [one, _, three] if one.0.first() == Some(&2) && starts(three, 4))
        {
            Self::PrivateKey
        } else if any.value().is_empty() {
            Self::Unknown
        } else {
            Self::OtherDer
        }
    }
}

/// `SubjectPublicKeyInfo`, RFC 5280 section 4.1.2.7
#[derive(DecodeValue)]
struct PublicKeyInfo<'a> {
    _algorithm: crate::asn1::AlgorithmIdentifier<'a>,
    _key: BitStringRef<'a>,
}

impl<'a> Sequence<'a> for PublicKeyInfo<'a> {}

/// Whether this may be a `TBSCertList`: after its version an algorithm, a name and a time.
fn is_crl(tlv: &Tlv<'_>) -> bool {
    let Ok(list) = crate::asn1::SequenceOf::from_der(tlv.0) else { return false };
    let mut parts = list.iter::<Tlv<'_>>().map_while(Result::ok).peekable();
    let _version = parts.next_if(|part| Integer::from_der(part.0).is_ok());
    let mut is =
        |tags: &[u8]| parts.next().is_some_and(|part| part.0.first().is_some_and(|tag| tags.contains(tag)));
    is(&[0x30]) && is(&[0x30]) && is(&[0x17, 0x18])
}

fn starts(tlv: &Tlv<'_>, tag: u8) -> bool {
    tlv.0.first() == Some(&tag)
}

/// Whether the bytes begin a `SEQUENCE` that is longer than they are.
fn is_cut_off(bytes: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = bytes else { return false };
    let octets = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    let Some((octets, content)) = rest.split_at_checked(octets) else { return true };
    let length = match octets {
        [] => usize::from(*length),
        octets => {
            octets.iter().fold(0_usize, |length, octet| length.saturating_mul(256) | usize::from(*octet))
        }
    };
    content.len() < length
}

fn is_base64_of_der(text: &[u8]) -> bool {
    // four letters are enough to tell, if they are the first of a SEQUENCE
    text.trim_ascii_start()
        .first_chunk::<4>()
        .is_some_and(|first| STANDARD.decode(first).is_ok_and(|decoded| decoded.first() == Some(&0x30)))
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(byte))
}

/// Whether `bytes` begin with a byte order mark, as UTF-16 from Windows PowerShell's `>` does and UTF-8 from some editors.
fn begins_with_mark(bytes: &[u8]) -> bool {
    [&b"\xff\xfe"[..], b"\xfe\xff", b"\xef\xbb\xbf"].iter().any(|mark| bytes.starts_with(mark))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    position(bytes, part).is_some()
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// How packed files begin, and what unpacks them.
const PACKED: [(&[u8], Packer, &str); 10] = [
    (b"\x1f\x8b", Packer::Gzip, "gzip -d"),
    (b"PK\x03\x04", Packer::Zip, "unzip"),
    (b"\x28\xb5\x2f\xfd", Packer::Zstd, "zstd -d"),
    (b"\xfd7zXZ", Packer::Xz, "xz -d"),
    (b"BZh", Packer::Bzip2, "bzip2 -d"),
    (b"7z\xbc\xaf\x27\x1c", Packer::SevenZip, "7z x"),
    (b"\x04\x22\x4d\x18", Packer::Lz4, "lz4 -d"),
    (b"LZIP", Packer::Lzip, "lzip -d"),
    (b"Rar!", Packer::Rar, "unrar x"),
    (b"MSCF", Packer::Cabinet, "cabextract"),
];

const OPENSSH: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];

/// data, signedData and the like of RFC 5652
const PKCS7: [Oid<'static>; 2] = [oid!("1.2.840.113549.1.7.1"), oid!("1.2.840.113549.1.7.2")];

impl fmt::Display for FileForm {
    /// What it is and what to do, to stand behind "it is".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty; fetch it again",
            Self::Marked => "text that begins with a byte order mark; save it as UTF-8 without one",
            Self::WebPage => "a web page, as a proxy or a portal answers; fetch the file again",
            Self::Json => "JSON",
            Self::Cose => "a COSE message",
            Self::Token => "a token in base64, as a JWS in compact form is",
            Self::Packed(packer) => {
                let unpack = PACKED.iter().find(|(_, one, _)| one == packer).map_or("", |(.., unpack)| unpack);
                return write!(f, "packed with {packer:?}; unpack it first, with `{unpack}`");
            }
            Self::PrivateKey => "a private key; keep it to yourself, and give the public part",
            Self::CarriageReturns => "PEM whose lines end with a carriage return alone; convert its line ends",
            Self::Indented => "PEM with indented lines; remove what stands before `-----BEGIN` and before each line",
            Self::Glued => {
                "PEM with several things on a line; `-----BEGIN …-----` and `-----END …-----` need lines of their own"
            }
            Self::BrokenPem => {
                "PEM with a block that has no end, another end, or contents that are not base64; fetch it again"
            }
            Self::Base64 => "base64 without `-----BEGIN …-----` and `-----END …-----` around it; add these lines, or decode it",
            Self::OpenSsh => "a public key as OpenSSH writes it",
            Self::Pkcs7 => {
                "a PKCS#7 message; take the certificates out with `openssl pkcs7 -print_certs` (`-inform DER` for DER)"
            }
            Self::Pkcs12 => {
                "a PKCS#12 file; take the certificates out with `openssl pkcs12 -nokeys`, and keep the key to yourself"
            }
            Self::Certificate => "a certificate",
            Self::Crl => "a CRL; it belongs into crls",
            Self::OcspResponse => "an OCSP response; it belongs into crls",
            Self::PublicKey => "a public key",
            Self::CutOff => "cut off; fetch it again",
            Self::OtherDer => "DER of something else",
            Self::Text => "text of some other kind",
            Self::Unknown => "neither PEM nor DER",
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        alloc::format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn forms_are_told_apart() {
        let root = include_bytes!("../../../fixtures/fuzz/root.der");
        let crl = include_bytes!("../../../fixtures/fuzz/leaf.crl");
        let good = pem("CERTIFICATE", root);
        let info = Certificate::parse(root).unwrap().public_key_info().to_vec();
        let cms = [&[0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2][..], &[0xa0, 0]].concat();
        let text = |text: String| text.into_bytes();
        for (bytes, form) in [
            (Vec::new(), FileForm::Empty),
            (text(" \r\n".into()), FileForm::Empty),
            (text(alloc::format!("\u{feff}{good}")), FileForm::Marked),
            (text("\n<!DOCTYPE html><html>".into()), FileForm::WebPage),
            (text("<?xml version=\"1.0\"?>".into()), FileForm::WebPage),
            (text("{\"a\":1}".into()), FileForm::Json),
            (b"\x1f\x8b\x08\x00".to_vec(), FileForm::Packed(Packer::Gzip)),
            (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), FileForm::Packed(Packer::SevenZip)),
            (text(pem("EC PRIVATE KEY", &[0x30, 0])), FileForm::PrivateKey),
            (text(good.replace('\n', "\r")), FileForm::CarriageReturns),
            (text(good.lines().map(|line| alloc::format!("  {line}\n")).collect()), FileForm::Indented),
            (text(good.lines().map(|line| alloc::format!("> {line}\n")).collect()), FileForm::Indented),
            (text(alloc::format!("{}{good}", good.trim_end())), FileForm::Glued),
            (text(good.replace('\n', "")), FileForm::Glued),
            (text(good.replace("-----\nM", "-----M")), FileForm::Glued),
            (text(alloc::format!("ca: {good}")), FileForm::Glued),
            (text(good.replace("\n-----END", "-----END")), FileForm::Glued),
            (text(good.replace("\n-----END CERTIFICATE-----", "")), FileForm::BrokenPem),
            (text(good.replace("END CERTIFICATE", "END CERT")), FileForm::BrokenPem),
            (text(good.replace('M', "!")), FileForm::BrokenPem),
            (text(STANDARD.encode(root)), FileForm::Base64),
            (text("ssh-ed25519 AAAA".into()), FileForm::OpenSsh),
            (text(pem("PKCS7", &cms)), FileForm::Pkcs7),
            (cms, FileForm::Pkcs7),
            (text(good.clone()), FileForm::Certificate),
            (root.to_vec(), FileForm::Certificate),
            (crl.to_vec(), FileForm::Crl),
            (text(pem("X509 CRL", crl)), FileForm::Crl),
            (info, FileForm::PublicKey),
            (root[..root.len() - 1].to_vec(), FileForm::CutOff),
            (b"0\x03\x0a\x01\x01".to_vec(), FileForm::OcspResponse),
            (b"0\x05\x02\x01\x03\x30\x00".to_vec(), FileForm::Pkcs12),
            (b"0\x03\x02\x01\x00".to_vec(), FileForm::OtherDer),
            (text("hello".into()), FileForm::Text),
            (b"\0\x01\x02".to_vec(), FileForm::Unknown),
        ] {
            assert_eq!(FileForm::detect(&bytes), form, "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
