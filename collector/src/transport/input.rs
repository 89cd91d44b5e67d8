//! Describes what is sent to a node: bytes in memory, shared by all nodes, and files that are read while they are sent.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A sequence of parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    parts: Vec<Part>,
}

/// A part of what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A secret line.
    Secret(Secret),
    /// A file's bytes. If its size has changed by then, sending ends, because its size is fixed in the archive around it.
    File {
        /// Where it is.
        path: PathBuf,
        /// How many bytes it has.
        size: u64,
    },
}

/// A password, with the end of its line. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// A password of one line; `None` if it is empty or has line ends.
    pub fn line(password: &str) -> Option<Self> {
        let fits = !password.is_empty() && !password.contains(['\n', '\r', '\0']);
        fits.then(|| Self(format!("{password}\n").into_bytes().into()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// How many bytes of a file are read at once.
const CHUNK: usize = 256 << 10;

impl Input {
    /// Adds bytes.
    pub fn bytes(&mut self, bytes: impl Into<Arc<[u8]>>) {
        self.parts.push(Part::Bytes(bytes.into()));
    }

    /// Adds a secret line.
    pub fn secret(&mut self, secret: &Secret) {
        self.parts.push(Part::Secret(secret.clone()));
    }

    /// Adds a file.
    pub fn file(&mut self, path: PathBuf, size: u64) {
        self.parts.push(Part::File { path, size });
    }

    /// Adds all parts of another.
    pub fn append(&mut self, other: &Self) {
        self.parts.extend(other.parts.iter().cloned());
    }

    /// How many bytes it is.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(Part::size).sum()
    }

    /// Hands every byte to `sink`, in order.
    ///
    /// # Errors
    /// [`io::Error`] if a file cannot be read or its size has changed.
    pub fn read(&self, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) | Part::Secret(Secret(bytes)) => sink(bytes),
                Part::File { path, size } => {
                    let mut file = std::fs::File::open(path).map_err(|error| named(path, &error))?;
                    let mut left = *size;
                    loop {
                        let read =
                            io::Read::read(&mut file, &mut chunk).map_err(|error| named(path, &error))?;
                        left = left.checked_sub(read as u64).ok_or_else(|| changed(path))?;
                        if read == 0 {
                            break;
                        }
                        sink(chunk.get(..read).unwrap_or_default());
                    }
                    if left != 0 {
                        return Err(changed(path));
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes every byte and then the end.
    ///
    /// # Errors
    /// [`SendError`], which tells this side from the other one.
    pub(super) async fn send(&self, writer: &mut (impl AsyncWrite + Unpin)) -> Result<(), SendError> {
        let mut chunk = vec![0; CHUNK];
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) | Part::Secret(Secret(bytes)) => {
                    writer.write_all(bytes).await.map_err(SendError::There)?;
                }
                Part::File { path, size } => {
                    let here = |error| SendError::Here(named(path, &error));
                    let mut file = tokio::fs::File::open(path).await.map_err(here)?;
                    let mut left = *size;
                    loop {
                        let read = file.read(&mut chunk).await.map_err(here)?;
                        left = left.checked_sub(read as u64).ok_or_else(|| SendError::Here(changed(path)))?;
                        if read == 0 {
                            break;
                        }
                        let bytes = chunk.get(..read).unwrap_or_default();
                        writer.write_all(bytes).await.map_err(SendError::There)?;
                    }
                    if left != 0 {
                        return Err(SendError::Here(changed(path)));
                    }
                }
            }
        }
        writer.shutdown().await.map_err(SendError::There)
    }
}

impl Part {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Secret(Secret(bytes)) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// Sending broke off.
#[derive(Debug)]
pub(super) enum SendError {
    /// A file here could not be read.
    Here(io::Error),
    /// The command stopped reading, which its exit status explains.
    There(#[expect(dead_code, reason = "shown by Debug only: the exit status says more")] io::Error),
}

fn named(path: &std::path::Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn changed(path: &std::path::Path) -> io::Error {
    io::Error::other(format!("{}: the file changed while it was read", path.display()))
}
