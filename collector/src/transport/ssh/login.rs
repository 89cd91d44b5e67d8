//! Logs in with keys of files, their certificates, and the keys that an SSH agent holds.
//!
//! Passphrases were asked for before ([`keys`](super::keys)).

use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::Signature;
use russh::keys::{self, Algorithm, Certificate, HashAlg, PrivateKey, PublicKey, signature};
use russh::{AgentAuthError, MethodKind, Signer};

use super::agent::{self, AgentSocket};
use super::check::HostKeyCheck;
use super::keys::KeyFile;
use crate::transport::ConnectError;

/// How to log in: with the agent's keys that are named, then with those of files, then with the agent's others.
#[derive(Clone, Default)]
pub(crate) struct Login {
    /// Keys of files.
    pub files: Vec<KeyFile>,
    /// The SSH agent of this machine.
    pub agent: Option<AgentKeys>,
}

/// What is used of an SSH agent.
#[derive(Clone)]
pub(crate) struct AgentKeys {
    /// Where it is.
    pub place: AgentSocket,
    /// The keys that are tried first.
    pub first: Vec<PublicKey>,
    /// Certificates for keys that it holds.
    pub certificates: Vec<Certificate>,
    /// Whether its other keys are tried too.
    pub others: bool,
}

/// How many keys are tried: OpenSSH's server hangs up after six.
const KEYS: usize = 6;

impl Login {
    /// Logs in on a connection whose host key has been verified.
    pub(super) async fn authenticate(
        &self,
        handle: &mut Handle<HostKeyCheck>,
        user: &str,
    ) -> Result<(), ConnectError> {
        let mut attempt = Attempt::new(handle, user);
        let mut agent = match &self.agent {
            None => None,
            Some(keys) => match Held::by(keys, attempt.handle).await {
                Ok(held) => Some(held),
                // If there are key files, the agent is not needed.
                Err(error) if self.files.is_empty() => return Err(error),
                Err(error) => {
                    attempt.tried.push(error.to_string());
                    None
                }
            },
        };
        let files: Vec<Vec<AgentIdentity>> = self.files.iter().map(identities).collect();
        attempt.untried = files.iter().map(Vec::len).sum();
        attempt.untried += agent.as_ref().map_or(0, |held| held.first.len() + held.others.len());
        if let Some(held) = &mut agent
            && attempt.offer(&held.first, &mut held.signer, "the SSH agent's").await?
        {
            return Ok(());
        }
        for (file, identities) in self.files.iter().zip(&files) {
            let name = file.path.display().to_string();
            if attempt.offer(identities, &mut FileKey(Arc::clone(&file.key)), &name).await? {
                return Ok(());
            }
        }
        if let Some(held) = &mut agent
            && attempt.offer(&held.others, &mut held.signer, "the SSH agent's").await?
        {
            return Ok(());
        }
        Err(attempt.refused())
    }
}

/// The identities of a file: its certificates first.
fn identities(file: &KeyFile) -> Vec<AgentIdentity> {
    let certificates = file.certificates.iter().cloned().map(AgentIdentity::from);
    certificates.chain([file.key.public_key().clone().into()]).collect()
}

impl From<KeyFile> for Login {
    fn from(file: KeyFile) -> Self {
        Self { files: vec![file], agent: None }
    }
}

impl From<AgentKeys> for Login {
    fn from(keys: AgentKeys) -> Self {
        Self { files: Vec::new(), agent: Some(keys) }
    }
}

/// An agent, and which of its keys come when.
struct Held {
    signer: AgentSigner,
    first: Vec<AgentIdentity>,
    others: Vec<AgentIdentity>,
}

impl Held {
    async fn by(keys: &AgentKeys, handle: &Handle<HostKeyCheck>) -> Result<Self, ConnectError> {
        let failed = |error: keys::Error| ConnectError::Agent(error.to_string());
        let mut client = agent::connect(&keys.place).await.map_err(failed)?;
        if let Some(binding) = handle.agent_session_binding() {
            // An agent that does not know this request refuses it, and does not hold a key that needs it.
            let _ = client.bind_session(binding, false).await;
        }
        let held = client.request_identities().await.map_err(failed)?;
        if held.is_empty() {
            return Err(ConnectError::Agent("it holds no key".to_owned()));
        }
        let is_first = |identity: &AgentIdentity| {
            keys.first.iter().any(|key| key.key_data() == identity.public_key().key_data())
        };
        let (first, others): (Vec<_>, Vec<_>) = held.into_iter().partition(is_first);
        let is_held = |certificate: &Certificate| {
            first.iter().chain(&others).any(|held| held.public_key().key_data() == certificate.public_key())
        };
        let certificates: Vec<AgentIdentity> = keys
            .certificates
            .iter()
            .filter(|certificate| is_held(certificate))
            .map(|certificate| certificate.clone().into())
            .collect();
        let plain = certificates.iter().map(|identity| identity.public_key().into_owned()).collect();
        Ok(Self {
            signer: AgentSigner { client, plain },
            first: certificates.into_iter().chain(first).collect(),
            others: if keys.others { others } else { Vec::new() },
        })
    }
}

/// A login in progress.
struct Attempt<'a> {
    handle: &'a mut Handle<HostKeyCheck>,
    user: &'a str,
    left: usize,
    tried: Vec<String>,
    /// How many keys were not tried yet.
    untried: usize,
    /// The keys that were accepted but not enough.
    accepted: Vec<String>,
    /// The methods that the server still accepts, as far as it has said so.
    methods: Vec<MethodKind>,
}

impl<'a> Attempt<'a> {
    fn new(handle: &'a mut Handle<HostKeyCheck>, user: &'a str) -> Self {
        let (tried, accepted, methods) = (Vec::new(), Vec::new(), Vec::new());
        Self { handle, user, left: KEYS, tried, untried: 0, accepted, methods }
    }

    /// Whether the server has said that it does not accept keys, or not any more.
    fn takes_no_key(&self) -> bool {
        !self.methods.is_empty() && !self.methods.contains(&MethodKind::PublicKey)
    }

    /// Offers one identity after the other, and returns whether one was accepted. An error means that the server hung up.
    async fn offer<S: Signer<Error = AgentAuthError>>(
        &mut self,
        identities: &[AgentIdentity],
        signer: &mut S,
        whose: &str,
    ) -> Result<bool, ConnectError> {
        for identity in identities {
            if self.left == 0 || self.takes_no_key() {
                return Ok(false);
            }
            self.left -= 1;
            self.untried = self.untried.saturating_sub(1);
            let key = identity.public_key().into_owned();
            let form =
                if matches!(identity, AgentIdentity::Certificate { .. }) { "certificate for " } else { "" };
            let name = format!("{whose} {form}{}", key.fingerprint(HashAlg::Sha256));
            self.tried.push(name.clone());
            for hash in hashes(self.handle, key.algorithm()).await.map_err(|_| self.refused())? {
                let result = match identity.clone() {
                    AgentIdentity::PublicKey { key, .. } => {
                        self.handle.authenticate_publickey_with(self.user, key, hash, signer).await
                    }
                    AgentIdentity::Certificate { certificate, .. } => {
                        self.handle.authenticate_certificate_with(self.user, certificate, hash, signer).await
                    }
                };
                match result {
                    Ok(AuthResult::Success) => return Ok(true),
                    Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                        if !remaining_methods.is_empty() {
                            self.methods = remaining_methods.to_vec();
                        }
                        if partial_success {
                            self.accepted.push(name);
                            break;
                        }
                    }
                    // If the agent refuses to use a key, the next one is tried.
                    Err(_) => {}
                }
                if self.handle.is_closed() {
                    return Err(self.refused());
                }
            }
        }
        Ok(false)
    }

    fn refused(&self) -> ConnectError {
        let tried = if self.tried.is_empty() { "no key".to_owned() } else { self.tried.join(", ") };
        let methods = self.methods.iter().map(String::from).collect::<Vec<_>>().join(", ");
        ConnectError::AuthRefused {
            user: self.user.to_owned(),
            tried,
            untried: if self.takes_no_key() { 0 } else { self.untried },
            accepted: self.accepted.join(", "),
            methods: if self.takes_no_key() { methods } else { String::new() },
        }
    }
}

/// The signature hashes to try with a key. SHA-1, which `ssh-rsa` means, is never used.
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

/// Signs with a key of this program as an agent would, RSA keys with the negotiated hash.
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

/// Lets the agent sign. If it does not hold the certificate, the plain key signs.
struct AgentSigner {
    client: agent::Client,
    plain: Vec<PublicKey>,
}

impl Signer for AgentSigner {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let key = identity.public_key();
        let demoted = self.plain.iter().find(|plain| plain.key_data() == key.key_data());
        let signed = match demoted {
            Some(plain) => self.client.sign_request(&plain.clone().into(), hash, data).await,
            None => self.client.sign_request(identity, hash, data).await,
        };
        Ok(signed?)
    }
}
