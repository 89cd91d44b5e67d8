//! Signs messages with SSH keys: with a private key file, or with the SSH agent of this machine if only the public key is given.
//! A signature has the usual form, not that of SSH (RFC 8032; RFC 3279 section 2.2.3).

use std::path::Path;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::ssh_key::Signature;
use russh::keys::{self, Algorithm, PrivateKey, PublicKey, signature};

use super::agent::{self, AgentSocket};
use super::keys::{KeyError, Passphrase, private_key};

/// A key that signs.
pub(crate) struct SigningKey(KeyHolder);

enum KeyHolder {
    Here(Box<PrivateKey>),
    InAgent(Box<PublicKey>),
}

/// A key cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// There is no agent, or it does not answer.
    #[error("the SSH agent on this machine: {0}")]
    Agent(String),
    /// The agent does not hold the key.
    #[error(
        "the SSH agent on this machine does not hold the key; ssh-add it, or name the private key's file"
    )]
    NotInAgent,
    /// The agent refused, or its answer is not a signature.
    #[error("the key did not sign: {0}")]
    Refused(String),
}

impl SigningKey {
    /// Reads a private key file's text, in OpenSSH's, PKCS#8 or PKCS#1 form.
    ///
    /// # Errors
    /// [`KeyError`]
    pub(crate) fn from_private(
        path: &Path,
        text: &str,
        passphrase: Passphrase<'_>,
    ) -> Result<Self, KeyError> {
        Ok(Self(KeyHolder::Here(Box::new(private_key(path, text, passphrase)?))))
    }

    /// Reads a public key in OpenSSH's form, whose private key the SSH agent holds.
    ///
    /// # Errors
    /// [`SigningError::Refused`] if it is not such a key.
    pub(crate) fn in_agent(line: &str) -> Result<Self, SigningError> {
        let key = PublicKey::from_openssh(line).map_err(|error| SigningError::Refused(error.to_string()))?;
        Ok(Self(KeyHolder::InAgent(Box::new(key))))
    }

    /// The public key in OpenSSH's form, without a comment.
    ///
    /// # Errors
    /// [`SigningError::Refused`] if the key has no such form.
    pub(crate) fn public_line(&self) -> Result<String, SigningError> {
        let mut key = self.public().clone();
        key.set_comment("");
        Ok(key.to_openssh().map_err(|error| SigningError::Refused(error.to_string()))?.trim().to_owned())
    }

    /// Signs a message: Ed25519 in 64 bytes, ECDSA in ASN.1.
    ///
    /// # Errors
    /// [`SigningError`]
    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let signature = match &self.0 {
            KeyHolder::Here(key) => signature::Signer::try_sign(key.as_ref(), message)
                .map_err(|error| SigningError::Refused(error.to_string()))?,
            KeyHolder::InAgent(key) => {
                let agent = agent::connect(&AgentSocket::Usual).await.map_err(|error| no_agent(&error))?;
                ask(agent, key, message).await?
            }
        };
        plain(&signature)
            .ok_or_else(|| SigningError::Refused(format!("{} is not for this", signature.algorithm())))
    }

    fn public(&self) -> &PublicKey {
        match &self.0 {
            KeyHolder::Here(key) => key.public_key(),
            KeyHolder::InAgent(key) => key,
        }
    }
}

async fn ask<S: AgentStream + Send + Unpin>(
    mut agent: AgentClient<S>,
    key: &PublicKey,
    message: &[u8],
) -> Result<Signature, SigningError> {
    let is_it = |identity: &AgentIdentity| match identity {
        AgentIdentity::PublicKey { key: held, .. } => held.key_data() == key.key_data(),
        AgentIdentity::Certificate { .. } => false,
    };
    if !agent.request_identities().await.map_err(|error| no_agent(&error))?.iter().any(is_it) {
        return Err(SigningError::NotInAgent);
    }
    agent
        .sign_request_signature(key, None, message)
        .await
        .map_err(|error| SigningError::Refused(error.to_string()))
}

fn no_agent(error: &keys::Error) -> SigningError {
    SigningError::Agent(error.to_string())
}

/// A signature in the usual form; `None` if it is of another kind or malformed.
fn plain(signature: &Signature) -> Option<Vec<u8>> {
    match signature.algorithm() {
        Algorithm::Ed25519 => Some(signature.as_bytes().to_vec()),
        Algorithm::Ecdsa { .. } => ecdsa_der(signature.as_bytes()),
        _ => None,
    }
}

/// `Ecdsa-Sig-Value` of SSH's two numbers, RFC 5656 section 3.1.2: an SSH `mpint` is the content of a DER `INTEGER`.
/// `None` if there are not exactly two, or if they are longer than those of any curve.
fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, rest) = string(signature)?;
    let (s, rest) = string(rest)?;
    let content: Vec<u8> = [integer(r)?, integer(s)?].concat();
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80 && rest.is_empty())?;
    Some([&[0x30, length][..], &content].concat())
}

fn integer(number: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(number.len()).ok().filter(|length| *length < 0x80)?;
    Some([&[0x02, length][..], number].concat())
}

/// Splits off the first SSH string.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use assay_verifier::dsse::VerifyingKey;

    use super::*;

    #[tokio::test]
    async fn the_ssh_agent_signs_with_every_kind_of_key_and_only_with_those_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let socket = path("agent");
        let mut agent = Command::new("ssh-agent");
        let mut agent =
            agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().expect("openssh-client");
        while !socket.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).env("SSH_AUTH_SOCK", &socket).current_dir(folder.path());
            assert!(command.output().expect("openssh-client").status.success(), "{program} {arguments:?}");
        };
        for kind in [&["ed25519"][..], &["ecdsa", "-b", "256"], &["ecdsa", "-b", "384"]] {
            run("ssh-keygen", &[&["-q", "-N", "", "-f", "key", "-t"], kind].concat());
            let public = VerifyingKey::read(&std::fs::read(path("key.pub")).unwrap()).unwrap();
            let key = PublicKey::from_openssh(&public.to_openssh()).unwrap();
            let connect = || AgentClient::connect_uds(&socket);
            let before = ask(connect().await.unwrap(), &key, b"message").await;
            assert!(matches!(before, Err(SigningError::NotInAgent)), "{before:?}");
            run("ssh-add", &["-q", "key"]);
            // The length of an mpint depends on its value.
            for number in 0..32_u8 {
                let signature = ask(connect().await.unwrap(), &key, &[number]).await.unwrap();
                assert!(public.verify(&[number], &plain(&signature).unwrap()), "{kind:?}");
            }
            std::fs::remove_file(path("key")).unwrap();
        }
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    #[test]
    fn two_numbers_and_nothing_else_make_an_ecdsa_signature() {
        let one = [0, 0, 0, 1, 7];
        assert_eq!(ecdsa_der(&[one, one].concat()), Some(vec![0x30, 6, 2, 1, 7, 2, 1, 7]));
        let long = [&[0, 0, 0, 128][..], &[1; 128]].concat();
        for bytes in [&one[..], &[], &[0, 0, 0, 9, 1], &[one, one, one].concat(), &[&one, &long[..]].concat()]
        {
            assert_eq!(ecdsa_der(bytes), None, "{bytes:?}");
        }
    }
}
