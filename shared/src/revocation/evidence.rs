//! The evidence that was staged: files in; CRLs and OCSP responses, found by issuer or by the name of their file, out.
//!
//! A file is one CRL or OCSP response in DER, any number of either in PEM, or a file of the reference implementation's CRL
//! cache. Nothing of them is verified here. A file that cannot be read is remembered by its name, so that the status of a
//! certificate that it was staged for can be told to be unknown for that reason.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::crl::Crl;
use super::ocsp::Response;
use super::published::PublishedCrl;
use crate::file_form::FileForm;
use crate::json::{Object, Value};
use crate::limits;
use crate::oci::Digest;
use crate::pem;
use crate::report::CrlInput;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// CRLs and OCSP responses. Empty by default: then no certificate that can be revoked has a known status.
#[derive(Clone, Default)]
pub struct Evidence {
    crls: Vec<StagedCrl>,
    responses: Vec<StagedResponse>,
    /// Names of files that could not be read
    malformed: Vec<String>,
    files: usize,
}

/// A CRL and where it came from.
#[derive(Clone)]
pub(super) struct StagedCrl {
    pub(super) file: String,
    pub(super) crl: Crl,
    /// The delta beside it in the reference's cache
    pub(super) delta: Option<Crl>,
}

/// An OCSP response and where it came from.
#[derive(Clone)]
pub(super) struct StagedResponse {
    pub(super) file: String,
    pub(super) response: Response,
}

impl Evidence {
    /// Adds a file. `name` is its path or name; where a certificate names a CRL by URL, a file is looked for that has the
    /// name of the URL's last part, or the name that the reference's cache gives it.
    ///
    /// # Errors
    /// [`EvidenceError`] where the file is none of the known forms, malformed or too large. Certificates whose CRL should
    /// be in it then have an unknown status; nothing else is lost.
    pub fn add_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), EvidenceError> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        if self.files >= limits::EVIDENCE_FILES {
            return Err(EvidenceError::TooManyFiles);
        }
        self.files = self.files.saturating_add(1);
        match read(name, bytes).map_err(|error| error.of(bytes)) {
            Ok(Items { mut crls, mut responses }) => {
                self.crls.append(&mut crls);
                self.responses.append(&mut responses);
                Ok(())
            }
            Err(error) => {
                self.malformed.push(name.to_string());
                Err(error)
            }
        }
    }

    /// Every CRL with the name of its file, deltas too, in the order of the files.
    pub fn published(&self) -> impl Iterator<Item = (&str, PublishedCrl)> {
        self.crls.iter().flat_map(|staged| {
            let both = [Some(&staged.crl), staged.delta.as_ref()];
            both.into_iter().flatten().map(|crl| (staged.file.as_str(), PublishedCrl::of(crl)))
        })
    }

    /// Every CRL, deltas too, sorted as reports list them.
    pub fn crls(&self) -> Vec<CrlInput> {
        let all = self.crls.iter().flat_map(|staged| [Some(&staged.crl), staged.delta.as_ref()]).flatten();
        let mut list: Vec<CrlInput> = all
            .map(|crl| CrlInput {
                issuer: crl.issuer.to_string(),
                this_update: crl.this_update,
                next_update: crl.next_update,
                sha256: crl.sha256.hex().into(),
            })
            .collect();
        list.sort();
        list
    }

    pub(super) fn staged_crls(&self) -> &[StagedCrl] {
        &self.crls
    }

    pub(super) fn responses(&self) -> &[StagedResponse] {
        &self.responses
    }

    pub(super) fn malformed_files(&self) -> &[String] {
        &self.malformed
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Evidence({} CRLs, {} OCSP responses, {} unreadable files)",
            self.crls.len(),
            self.responses.len(),
            self.malformed.len()
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
        return Err(EvidenceError::TooLarge { bytes: bytes.len() });
    }
    let mut items = Items::default();
    if bytes.trim_ascii_start().starts_with(b"{") {
        items.crls.push(read_cache_file(file, bytes)?);
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
            let response = Response::parse(der).ok_or(EvidenceError::OcspResponse)?;
            self.responses.push(StagedResponse { file, response });
        } else {
            self.crls.push(StagedCrl { file, crl: read_crl(der)?, delta: None });
        }
        Ok(())
    }
}

fn read_crl(der: &[u8]) -> Result<Crl, EvidenceError> {
    if exceeds(der, limits::CRL_BYTES) {
        return Err(EvidenceError::TooLarge { bytes: der.len() });
    }
    Crl::parse(der).ok_or(EvidenceError::Crl)
}

/// A file of the reference's cache: `{"baseCRL": …, "deltaCRL": …}`, base64 with padding, the delta only where there is one.
fn read_cache_file(file: &str, bytes: &[u8]) -> Result<StagedCrl, EvidenceError> {
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
    Ok(StagedCrl {
        file: file.to_string(),
        crl: crl(members, "baseCRL")?.ok_or(EvidenceError::CacheFile)?,
        delta: crl(members, "deltaCRL")?,
    })
}

fn exceeds(bytes: &[u8], most: u64) -> bool {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most
}

/// The names that the file of a URL's CRL may have.
pub(super) struct FileNames<'a> {
    /// The name in the reference's cache
    cached: String,
    /// The last part of the URL's path
    last: &'a str,
    /// The same without percent escapes
    decoded: Option<String>,
}

impl<'a> FileNames<'a> {
    pub(super) fn of(url: &'a str) -> Self {
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let last = path.rsplit('/').next().unwrap_or(path);
        Self {
            cached: Digest::sha256(url.as_bytes()).hex().to_string(),
            last,
            decoded: percent_decoded(last),
        }
    }

    /// Whether a file of this name holds the CRL of the URL.
    pub(super) fn include(&self, file: &str) -> bool {
        !file.is_empty()
            && (file == self.cached || file == self.last || self.decoded.as_deref() == Some(file))
    }
}

/// `text` with its percent escapes replaced; none where they are malformed or do not give UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (escape, rest) = piece.split_at_checked(2)?;
        let digit = |at: usize| char::from(*escape.as_bytes().get(at)?).to_digit(16);
        bytes.push(u8::try_from(digit(0)?.checked_mul(16)?.checked_add(digit(1)?)?).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Why a file is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// There are more files than [`limits::EVIDENCE_FILES`].
    #[error("there are too many files of revocation evidence")]
    TooManyFiles,
    /// Longer than [`limits::EVIDENCE_FILE_BYTES`], or a CRL in it than [`limits::CRL_BYTES`].
    #[error("a CRL of {bytes} bytes is too large")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not the DER of a CRL of version 2.
    #[error("not a well-formed CRL")]
    Crl,
    /// Not the DER of an OCSP response that says anything, or one longer than [`limits::OCSP_RESPONSE_BYTES`].
    #[error("not a well-formed and successful OCSP response")]
    OcspResponse,
    /// PEM without a block that is whole.
    #[error("malformed PEM")]
    Pem,
    /// A PEM block that is neither a CRL nor an OCSP response.
    #[error("it holds a PEM block {label:?}, which is no CRL")]
    OtherPemBlock {
        /// The block's label.
        label: String,
    },
    /// JSON that is not a file of the reference's CRL cache.
    #[error("not a file of notation's CRL cache")]
    CacheFile,
    /// A file of another form.
    #[error("it is {0}; it must be a CRL or an OCSP response, in PEM or DER")]
    Form(FileForm),
}

impl EvidenceError {
    /// The same of a whole file, whose form may say more.
    fn of(self, file: &[u8]) -> Self {
        match (&self, FileForm::of(file)) {
            (_, FileForm::Empty | FileForm::BrokenPem | FileForm::Unknown | FileForm::OtherDer) => self,
            (_, FileForm::Crl | FileForm::OcspResponse | FileForm::Json) => self,
            (Self::Crl | Self::Pem, form) => Self::Form(form),
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_url() {
        let url = "http://crl.example.test/pkiops/crl/Time-Stamp%20PCA%202010(1).crl";
        let names = FileNames::of(url);
        for file in [
            "Time-Stamp%20PCA%202010(1).crl",
            "Time-Stamp PCA 2010(1).crl",
            Digest::sha256(url.as_bytes()).hex(),
        ] {
            assert!(names.include(file), "{file}");
        }
        for file in ["", "Time-Stamp%20PCA%202010.crl", "time-stamp pca 2010(1).crl", "crl"] {
            assert!(!names.include(file), "{file}");
        }
        assert!(FileNames::of("http://crl.example.test/a.crl?x=/b.crl").include("a.crl"));
        assert!(!FileNames::of("http://crl.example.test/").include(""));
        assert!(!FileNames::of("http://crl.example.test/a%2").include("a"));
    }

    #[test]
    fn files_of_other_forms() {
        let mut evidence = Evidence::default();
        for (bytes, error) in [
            (&b""[..], EvidenceError::Crl),
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
            assert_eq!(evidence.add_file("folder/name.crl", bytes), Err(error));
        }
        assert_eq!(evidence.malformed.first().map(String::as_str), Some("name.crl"));
        assert_eq!(evidence.crls(), []);
    }

    #[test]
    fn sizes_are_bounded() {
        let mut evidence = Evidence::default();
        let mut add = |bytes: u64| evidence.add_file("a", &alloc::vec![0; bytes.try_into().unwrap()]);
        assert_eq!(add(limits::CRL_BYTES), Err(EvidenceError::Crl));
        let too_large = |bytes: u64| Err(EvidenceError::TooLarge { bytes: bytes.try_into().unwrap() });
        for bytes in [limits::CRL_BYTES + 1, limits::EVIDENCE_FILE_BYTES + 1] {
            assert_eq!(add(bytes), too_large(bytes));
        }
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let mut evidence = Evidence::default();
        for _ in 0..limits::EVIDENCE_FILES {
            assert_eq!(evidence.add_file("a", b""), Err(EvidenceError::Crl));
        }
        assert_eq!(evidence.add_file("a", b""), Err(EvidenceError::TooManyFiles));
    }
}
