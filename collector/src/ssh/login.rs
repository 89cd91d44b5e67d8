//! Who logs in: a private key file with the certificate beside it, or the SSH agent of this machine.
//!
//! Everything that a person could be asked for is asked here, once, before any node is visited.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::Signature;
use russh::keys::{self, Algorithm, Certificate, HashAlg, PrivateKey, signature};
use russh::{AgentAuthError, Signer};

use super::ConnectError;
use super::check::HostKeyCheck;

/// A way to log in.
#[derive(Clone)]
pub enum Login {
    /// A private key, with the certificate that vouches for it where one lies beside it.
    Key {
        /// The file, for people.
        path: PathBuf,
        /// The key.
        key: Arc<PrivateKey>,
        /// The certificate.
        certificate: Option<Box<Certificate>>,
    },
    /// Every key that the SSH agent of this machine holds.
    Agent,
}

/// Asks for a key file's passphrase; none where nobody can be asked.
pub type Passphrase<'a> = &'a mut dyn FnMut(&Path) -> Option<String>;

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no private key that is understood.
    #[error("{}: not a private key in OpenSSH's, PKCS#8 or PKCS#1 form: {reason}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is encrypted and there is no passphrase.
    #[error("{}: the key is encrypted; set ASSAY_KEY_PASSPHRASE or run on a terminal", path.display())]
    NoPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is wrong.
    #[error("{}: the passphrase is wrong", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The certificate beside it cannot be read.
    #[error("{}: not a certificate of this key: {reason}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// How many of the agent's keys are tried: OpenSSH's server hangs up after six.
const AGENT_KEYS: usize = 6;

impl Login {
    /// Reads a private key file, and `<file>-cert.pub` where there is one.
    ///
    /// # Errors
    /// [`LoginError`]
    pub fn from_file(path: &Path, passphrase: Passphrase<'_>) -> Result<Self, LoginError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LoginError::Unreadable { path: path.to_owned(), source })?;
        let key = private_key(path, &text, passphrase)?;
        let certificate = certificate(path, &key)?.map(Box::new);
        Ok(Self::Key { path: path.to_owned(), key: Arc::new(key), certificate })
    }

    /// Logs in on a connection whose host key has been verified.
    pub(super) async fn authenticate(
        &self,
        handle: &mut Handle<HostKeyCheck>,
        user: &str,
    ) -> Result<(), ConnectError> {
        match self {
            Self::Key { key, certificate, .. } => {
                let certificate = certificate.as_deref().cloned().map(AgentIdentity::from);
                let identities = certificate.into_iter().chain([key.public_key().clone().into()]);
                offer(handle, user, &mut FileKey(Arc::clone(key)), identities, &self.name()).await
            }
            Self::Agent => {
                let mut agent =
                    connect_agent().await.map_err(|error| ConnectError::Agent(error.to_string()))?;
                if let Some(binding) = handle.agent_session_binding() {
                    // Agents that do not know the request refuse it, and then hold no key that wants it.
                    let _ = agent.bind_session(binding, false).await;
                }
                let identities = agent
                    .request_identities()
                    .await
                    .map_err(|error| ConnectError::Agent(error.to_string()))?;
                let tried = match identities.len() {
                    0 => "no key: the SSH agent holds none".to_owned(),
                    held => format!("{} of the {held} keys in the SSH agent", held.min(AGENT_KEYS)),
                };
                offer(handle, user, &mut agent, identities.into_iter().take(AGENT_KEYS), &tried).await
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Key { path, key, .. } => {
                format!("{} ({})", path.display(), key.public_key().fingerprint(HashAlg::Sha256))
            }
            Self::Agent => "the SSH agent".to_owned(),
        }
    }
}

pub(super) fn private_key(
    path: &Path,
    text: &str,
    passphrase: Passphrase<'_>,
) -> Result<PrivateKey, LoginError> {
    let path = path.to_owned();
    let not_a_key = |path, error: &keys::Error| LoginError::NotAKey { path, reason: error.to_string() };
    let encrypted = text.contains("ENCRYPTED");
    match keys::decode_secret_key(text, None) {
        Ok(key) => return Ok(key),
        Err(keys::Error::KeyIsEncrypted) => {}
        Err(_) if encrypted => {}
        Err(error) => return Err(not_a_key(path, &error)),
    }
    let Some(secret) = passphrase(&path) else {
        return Err(LoginError::NoPassphrase { path });
    };
    match keys::decode_secret_key(text, Some(&secret)) {
        Ok(key) => Ok(key),
        Err(error @ keys::Error::UnsupportedKeyType { .. }) => Err(not_a_key(path, &error)),
        Err(_) => Err(LoginError::WrongPassphrase { path }),
    }
}

/// The certificate beside a key file, as OpenSSH names it.
fn certificate(path: &Path, key: &PrivateKey) -> Result<Option<Certificate>, LoginError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-cert.pub");
    let path = PathBuf::from(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LoginError::Unreadable { path, source }),
    };
    let wrong = |path, reason: String| LoginError::Certificate { path, reason };
    match Certificate::from_openssh(text.trim()) {
        Ok(certificate) if certificate.public_key() == key.public_key().key_data() => Ok(Some(certificate)),
        Ok(_) => Err(wrong(path, "it is for another key".to_owned())),
        Err(error) => Err(wrong(path, error.to_string())),
    }
}

/// The signature hashes to try with a key: for RSA never SHA-1, which is what `ssh-rsa` means.
async fn hashes(
    handle: &Handle<HostKeyCheck>,
    algorithm: Algorithm,
) -> Result<Vec<Option<HashAlg>>, russh::Error> {
    if !algorithm.is_rsa() {
        return Ok(vec![None]);
    }
    Ok(match handle.best_supported_rsa_hash().await? {
        Some(Some(hash)) => vec![Some(hash)],
        Some(None) => Vec::new(),
        None => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
    })
}

/// Offers one identity after the other, until one is accepted or the server hangs up.
async fn offer<S: Signer<Error = AgentAuthError>>(
    handle: &mut Handle<HostKeyCheck>,
    user: &str,
    signer: &mut S,
    identities: impl Iterator<Item = AgentIdentity>,
    tried: &str,
) -> Result<(), ConnectError> {
    let refused = || ConnectError::AuthRefused { user: user.to_owned(), tried: tried.to_owned() };
    for identity in identities {
        let algorithm = identity.public_key().algorithm();
        for hash in hashes(handle, algorithm).await.map_err(|_| refused())? {
            let result = match identity.clone() {
                AgentIdentity::PublicKey { key, .. } => {
                    handle.authenticate_publickey_with(user, key, hash, signer).await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    handle.authenticate_certificate_with(user, certificate, hash, signer).await
                }
            };
            // A key that the agent declines to use is one that was not accepted; the next may be.
            if matches!(result, Ok(AuthResult::Success)) {
                return Ok(());
            }
            if handle.is_closed() {
                return Err(refused());
            }
        }
    }
    Err(refused())
}

/// Signs as an agent would, with a key that is here: RSA keys with the hash that was agreed on.
struct FileKey(Arc<PrivateKey>);

impl Signer for FileKey {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let signature = match self.0.key_data().rsa() {
            Some(key) => signature::Signer::try_sign(&(key, hash), &data),
            None => signature::Signer::try_sign(self.0.as_ref(), &data),
        };
        let signature: Signature = signature.map_err(|_| keys::Error::InvalidSignature)?;
        let mut encoded = Vec::new();
        signature.encode(&mut encoded).map_err(keys::Error::from)?;
        encoded.encode(&mut data).map_err(keys::Error::from)?;
        Ok(data)
    }
}

/// The SSH agent of this machine.
pub(super) async fn connect_agent() -> Result<AgentClient<Box<dyn AgentStream + Send + Unpin>>, keys::Error> {
    #[cfg(unix)]
    let agent = AgentClient::connect_env().await;
    #[cfg(windows)]
    let agent = AgentClient::connect_named_pipe(r"\\.\pipe\openssh-ssh-agent").await;
    agent.map(AgentClient::dynamic)
}
