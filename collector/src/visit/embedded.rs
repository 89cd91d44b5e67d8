//! Contains the agents that are part of this program. `build.rs` puts them into a release; other builds have none.

use std::io::Read as _;

use aws_lc_rs::digest::{self, SHA256};
use flate2::read::ZlibDecoder;

/// An agent, compressed.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// Its usual name as a file.
    pub name: &'static str,
    /// How many bytes the program has.
    pub size: u64,
    /// The program's SHA-256 in lower-case hex.
    pub sha256: &'static str,
    packed: &'static [u8],
}

/// An agent within this program has changed: the program's own file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {name} in this program is damaged; install assay again from its archive, and check SHA256SUMS")]
pub struct Damaged {
    /// The agent's name.
    pub name: &'static str,
}

/// The agents of this program.
pub(crate) static EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

impl Embedded {
    /// The program's bytes.
    ///
    /// # Errors
    /// [`Damaged`] if their digest differs.
    pub(crate) fn unpack(&self) -> Result<Vec<u8>, Damaged> {
        let damaged = Damaged { name: self.name };
        let mut program = Vec::new();
        let mut packed = ZlibDecoder::new(self.packed).take(self.size + 1);
        packed.read_to_end(&mut program).map_err(|_| damaged)?;
        let sha256 = hex::encode(digest::digest(&SHA256, &program));
        if sha256 == self.sha256 { Ok(program) } else { Err(damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_that_was_put_in_comes_out() {
        // "assay" in a stored block of RFC 1951 within RFC 1950
        const PACKED: &[u8] = b"\x78\x01\x01\x05\x00\xfa\xffassay\x06\x4a\x02\x22";
        const SHA256: &str = "9b2153df65c7cba8a514938e2d3254a32cc0e75f6d032572e45f2b6bb124c970";
        let agent = |size, sha256, packed| Embedded { name: "a", size, sha256, packed };
        assert_eq!(agent(5, SHA256, PACKED).unpack().as_deref(), Ok(&b"assay"[..]));
        let damaged = Err(Damaged { name: "a" });
        assert_eq!(agent(5, "", PACKED).unpack(), damaged);
        assert_eq!(agent(3, SHA256, PACKED).unpack(), damaged, "more than it should have");
        assert_eq!(agent(5, SHA256, &PACKED[..9]).unpack(), damaged);
        assert_eq!(agent(5, SHA256, b"").unpack(), damaged);
    }
}
