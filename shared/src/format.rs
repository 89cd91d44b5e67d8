//! What bytes are by their beginning, for errors about a file that is of another format than its reader's.

use core::fmt;

/// A format that people, tools and proxies put where another one belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A JSON object.
    Json,
    /// A tagged COSE_Sign1.
    Cose,
    /// A token of three parts in base64, such as a JWS in compact form.
    Token,
    /// Text that begins as PEM does.
    Pem,
    /// An ASN.1 sequence in DER or BER.
    Der,
    /// HTML or XML, such as a proxy's error page.
    Markup,
    /// gzip
    Gzip,
    /// Zstandard
    Zstandard,
    /// ZIP
    Zip,
    /// tar
    Tar,
}

impl Format {
    /// The format that `bytes` begin as; none where they begin as nothing that is known.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstandard,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [0xd2, 0x84, ..] => Self::Cose,
            [0x30, 0x80..=0x84, ..] => Self::Der,
            _ => match bytes.trim_ascii_start() {
                [b'{', ..] => Self::Json,
                [b'<', ..] => Self::Markup,
                [b'e', b'y', b'J', ..] => Self::Token,
                text if text.starts_with(b"-----BEGIN ") => Self::Pem,
                _ if bytes.get(TAR_MAGIC..).is_some_and(|rest| rest.starts_with(b"ustar")) => Self::Tar,
                _ => return None,
            },
        })
    }
}

/// Where a tar's first header says that it is one.
const TAR_MAGIC: usize = 257;

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Cose => "a COSE message",
            Self::Token => "a token in base64, as a JWS in compact form is",
            Self::Pem => "PEM",
            Self::Der => "DER",
            Self::Markup => "an HTML or XML page",
            Self::Gzip => "gzip data",
            Self::Zstandard => "Zstandard data",
            Self::Zip => "a ZIP archive",
            Self::Tar => "a tar archive",
        })
    }
}
