//! Reads the files that were staged, and finds CRLs and OCSP responses by issuer or serial number.
//!
//! A file is one CRL or OCSP response in DER, any number of either in PEM, or a file of the reference implementation's CRL
//! cache. Nothing in them is verified here. A file's name only tells people which file is meant. A file that cannot be used is
//! remembered, because it may have revoked any certificate.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::crl::Crl;
use super::error::EvidenceError;
use super::memo::Memo;
use super::ocsp::{Answer, Response};
use crate::json::{Object, Value};
use crate::limits;
use crate::pem;
use crate::x509::{Certificate, SignatureError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether a file's name is one of those that operating systems leave in folders unasked: such a file is not evidence, and
/// it is not meant to be.
pub fn is_litter(name: &str) -> bool {
    let known = [".DS_Store", "Thumbs.db", "desktop.ini"];
    name.starts_with("._") || known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// CRLs and OCSP responses. Empty by default: then no certificate that can be revoked has a known status.
#[derive(Default)]
pub struct RevocationEvidence {
    crls: Vec<StagedCrl>,
    responses: Vec<StagedResponse>,
    unusable: Vec<UnusableFile>,
    files: usize,
    /// Places in `crls` by the issuer's name, DER
    by_issuer: BTreeMap<Vec<u8>, Vec<usize>>,
    /// Places in `responses`, and in their answers, by serial number
    by_serial: BTreeMap<Vec<u8>, Vec<(usize, usize)>>,
    memo: Memo,
}

/// A CRL and where it came from.
#[derive(Clone)]
pub(super) struct StagedCrl {
    pub(super) file: String,
    pub(super) crl: Crl,
    /// Whether a delta was beside it in the reference's cache: then it does not hold without one
    pub(super) with_delta: bool,
}

/// An OCSP response and where it came from.
#[derive(Clone)]
pub(super) struct StagedResponse {
    pub(super) file: String,
    pub(super) response: Response,
}

/// A staged file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {error}")]
pub struct UnusableFile {
    /// Its name as it was staged.
    pub file: String,
    /// Why it cannot be used.
    pub error: EvidenceError,
}

impl RevocationEvidence {
    /// Adds a file. `name` is what people know it by; it decides nothing.
    ///
    /// # Errors
    /// [`EvidenceError`] if the file has none of the known forms, malformed or too large. Then no certificate's status is known
    /// that rests on staged evidence, unless it is revoked.
    pub fn add_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), EvidenceError> {
        let outcome = if self.files >= limits::EVIDENCE_FILES {
            Err(EvidenceError::TooManyFiles)
        } else {
            self.files = self.files.saturating_add(1);
            read(name, bytes).map_err(|error| error.in_file(bytes))
        };
        match outcome {
            Ok(items) => {
                self.take(items);
                Ok(())
            }
            Err(error) => {
                self.add_unusable(name, error.clone());
                Err(error)
            }
        }
    }

    /// Adds a file, or a folder, that cannot be read, so that it may have revoked any certificate.
    pub fn add_unreadable(&mut self, name: &str, why: impl Into<String>) {
        self.add_unusable(name, EvidenceError::Unreadable { why: why.into() });
    }

    fn add_unusable(&mut self, name: &str, error: EvidenceError) {
        self.memo = Memo::default();
        // one past the bound says that there are more
        if self.unusable.len() <= limits::EVIDENCE_FILES {
            self.unusable.push(UnusableFile { file: name.to_string(), error });
        }
    }

    fn take(&mut self, items: Items) {
        self.memo = Memo::default();
        for staged in items.crls {
            self.by_issuer.entry(staged.crl.issuer_der.clone()).or_default().push(self.crls.len());
            self.crls.push(staged);
        }
        for staged in items.responses {
            for (number, answer) in staged.response.answers.iter().enumerate() {
                let places = self.by_serial.entry(answer.serial.clone()).or_default();
                places.push((self.responses.len(), number));
            }
            self.responses.push(staged);
        }
    }

    /// The files that cannot be used, in the order in which they were added.
    pub fn unusable(&self) -> &[UnusableFile] {
        &self.unusable
    }

    /// Every CRL, deltas too, in the order in which they were staged.
    pub fn crls(&self) -> impl Iterator<Item = &Crl> {
        self.crls.iter().map(|staged| &staged.crl)
    }

    pub(super) fn staged_crls(&self) -> &[StagedCrl] {
        &self.crls
    }

    pub(super) fn responses(&self) -> &[StagedResponse] {
        &self.responses
    }

    /// The lists that bear an issuer's name, in the order in which they were staged, and whether its key signed each.
    pub(super) fn lists_of(
        &self,
        issuer: &Certificate,
    ) -> impl Iterator<Item = (&StagedCrl, Result<(), SignatureError>)> {
        let places = self.by_issuer.get(issuer.subject_der()).map_or(&[][..], Vec::as_slice);
        let lists = || places.iter().filter_map(|place| self.crls.get(*place));
        let signatures = self.memo.signatures(issuer.sha256(), || {
            lists().map(|staged| staged.crl.check_signature(issuer)).collect()
        });
        lists().enumerate().map(move |(at, staged)| {
            let signature = signatures.get(at).cloned();
            (staged, signature.unwrap_or(Err(SignatureError::Wrong)))
        })
    }

    /// The answers about certificates with a serial number, of any issuer.
    pub(super) fn answers_by_serial(
        &self,
        serial: &[u8],
    ) -> impl Iterator<Item = (&StagedResponse, &Answer)> {
        let places = self.by_serial.get(serial).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|(response, answer)| {
            let staged = self.responses.get(*response)?;
            Some((staged, staged.response.answers.get(*answer)?))
        })
    }

    pub(super) fn memo(&self) -> &Memo {
        &self.memo
    }
}

impl fmt::Debug for RevocationEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RevocationEvidence(CRLs: {}, OCSP responses: {}, unusable files: {})",
            self.crls.len(),
            self.responses.len(),
            self.unusable.len()
        )
    }
}

#[derive(Default)]
struct Items {
    crls: Vec<StagedCrl>,
    responses: Vec<StagedResponse>,
}

fn read(file: &str, bytes: &[u8]) -> Result<Items, EvidenceError> {
    if exceeds(bytes, limits::EVIDENCE_FILE_BYTES) {
        return Err(EvidenceError::TooLarge { limit: limits::EVIDENCE_FILE_BYTES });
    }
    let mut items = Items::default();
    if bytes.trim_ascii().is_empty() {
        return Err(EvidenceError::Empty);
    } else if bytes.trim_ascii_start().starts_with(b"{") {
        items.crls = read_cache_file(file, bytes)?;
    } else if bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(pem::BEGIN)) {
        let blocks = pem::blocks(bytes);
        // a block that is not one might have been the list that revokes
        if blocks.len() < pem::begins(bytes) {
            return Err(EvidenceError::Pem);
        }
        for block in blocks {
            match block.label.as_str() {
                "X509 CRL" | "OCSP RESPONSE" => items.add_der(file, &block.contents)?,
                _ => return Err(EvidenceError::OtherPemBlock { label: block.label }),
            }
        }
    } else {
        items.add_der(file, bytes)?;
    }
    if items.crls.is_empty() && items.responses.is_empty() { Err(EvidenceError::Pem) } else { Ok(items) }
}

impl Items {
    fn add_der(&mut self, file: &str, der: &[u8]) -> Result<(), EvidenceError> {
        let file = file.to_string();
        if Response::is_one(der) {
            let response = Response::parse(der)?;
            self.responses.push(StagedResponse { file, response });
        } else {
            self.crls.push(StagedCrl { file, crl: read_crl(der)?, with_delta: false });
        }
        Ok(())
    }
}

fn read_crl(der: &[u8]) -> Result<Crl, EvidenceError> {
    if exceeds(der, limits::CRL_BYTES) {
        return Err(EvidenceError::TooLarge { limit: limits::CRL_BYTES });
    }
    Crl::parse(der).ok_or(EvidenceError::Crl)
}

/// A file of the reference's cache: `{"baseCRL": …, "deltaCRL": …}`, base64 with padding, the delta only where there is one.
fn read_cache_file(file: &str, bytes: &[u8]) -> Result<Vec<StagedCrl>, EvidenceError> {
    let value = Value::parse(bytes).map_err(|_| EvidenceError::CacheFile)?;
    let members = value.as_object().ok_or(EvidenceError::CacheFile)?;
    let known = ["baseCRL", "deltaCRL"];
    if members.iter().any(|(name, _)| !known.contains(&name)) {
        return Err(EvidenceError::CacheFile);
    }
    let crl = |members: &Object, name| match members.get(name) {
        None => Ok(None),
        Some(Value::Text(text)) => {
            let der = STANDARD.decode(text).map_err(|_| EvidenceError::CacheFile)?;
            read_crl(&der).map(Some)
        }
        Some(_) => Err(EvidenceError::CacheFile),
    };
    let base = crl(members, "baseCRL")?.ok_or(EvidenceError::CacheFile)?;
    let delta = crl(members, "deltaCRL")?;
    let with_delta = delta.is_some();
    let file = || file.to_string();
    let base = StagedCrl { file: file(), crl: base, with_delta };
    let delta = delta.map(|crl| StagedCrl { file: file(), crl, with_delta: false });
    Ok([Some(base), delta].into_iter().flatten().collect())
}

fn exceeds(bytes: &[u8], most: u64) -> bool {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_form::FileForm;

    #[test]
    fn files_of_other_forms() {
        let mut evidence = RevocationEvidence::default();
        for (bytes, error) in [
            (&b""[..], EvidenceError::Empty),
            (b"\x30\x00", EvidenceError::Crl),
            (b"\x30\x03\x0a\x01\x00", EvidenceError::OcspResponse),
            (b"{", EvidenceError::CacheFile),
            (b"{}", EvidenceError::CacheFile),
            (br#"{"baseCRL":"MAA"}"#, EvidenceError::CacheFile),
            (br#"{"baseCRL":"MAA="}"#, EvidenceError::Crl),
            (br#"{"baseCRL":1}"#, EvidenceError::CacheFile),
            (b"-----BEGIN X509 CRL-----\n*\n-----END X509 CRL-----\n", EvidenceError::Pem),
            (b"<html>", EvidenceError::Form(FileForm::WebPage)),
            (b" -----BEGIN X509 CRL-----\nMAA=\n", EvidenceError::Form(FileForm::Indented)),
            (
                b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
                EvidenceError::OtherPemBlock { label: "CERTIFICATE".into() },
            ),
        ] {
            assert_eq!(evidence.add_file("folder/name.crl", bytes), Err(error.clone()));
            assert_eq!(
                evidence.unusable().last(),
                Some(&UnusableFile { file: "folder/name.crl".into(), error })
            );
        }
        assert_eq!(evidence.crls().count(), 0);
    }

    #[test]
    fn sizes_are_bounded() {
        let mut evidence = RevocationEvidence::default();
        let mut add = |bytes: u64| evidence.add_file("a", &alloc::vec![0; bytes.try_into().unwrap()]);
        assert_eq!(add(limits::CRL_BYTES), Err(EvidenceError::Crl));
        for limit in [limits::CRL_BYTES, limits::EVIDENCE_FILE_BYTES] {
            assert_eq!(add(limit + 1), Err(EvidenceError::TooLarge { limit }));
        }
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let mut evidence = RevocationEvidence::default();
        for _ in 0..limits::EVIDENCE_FILES {
            assert_eq!(evidence.add_file("a", b"0"), Err(EvidenceError::Crl));
        }
        for _ in 0..3 {
            assert_eq!(evidence.add_file("a", b"0"), Err(EvidenceError::TooManyFiles));
        }
        let unusable = evidence.unusable();
        assert_eq!(unusable.len(), limits::EVIDENCE_FILES + 1);
        assert_eq!(unusable.last().map(|one| &one.error), Some(&EvidenceError::TooManyFiles));
    }
}
