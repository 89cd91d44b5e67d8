//! Judges the host's key or certificate while the connection is made, before anything else is sent.

use std::sync::{Arc, Mutex, PoisonError};

use russh::Channel;
use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKeyOrCertificate};

use super::host_keys::{self, Known, Verdict};
use crate::clock;
use crate::transport::ConnectError;

/// Answers the connection's task: whether the host key is the right one, and whether the host may open channels.
pub(super) struct HostKeyCheck {
    known: Known,
    judged: Arc<Mutex<Option<Judged>>>,
    /// Whether the key is only shown: then the connection ends with it, whatever it is.
    looking: bool,
}

/// The outcome of a check.
pub(super) struct Judged {
    /// The key that was shown.
    pub(super) key: Vec<u8>,
    /// Its fingerprint.
    pub(super) fingerprint: String,
    /// Its type.
    pub(super) algorithm: Algorithm,
    /// Why it is rejected.
    pub(super) error: Option<ConnectError>,
}

impl HostKeyCheck {
    /// A check against the known keys, and where its outcome will be.
    pub(super) fn new(known: Known) -> (Self, Arc<Mutex<Option<Judged>>>) {
        let judged = Arc::default();
        (Self { known, judged: Arc::clone(&judged), looking: false }, judged)
    }

    /// A check that only shows the key: the connection ends with it.
    pub(super) fn looking(known: Known) -> (Self, Arc<Mutex<Option<Judged>>>) {
        let (check, judged) = Self::new(known);
        (Self { looking: true, ..check }, judged)
    }
}

impl Handler for HostKeyCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let key = shown.public_key();
        let blob = key.to_bytes().map_err(|error| russh::Error::Keys(error.into()))?;
        let fingerprint = host_keys::fingerprint(&blob);
        let error = match shown.certificate() {
            _ if self.looking => Ok(()),
            Some(certificate) => judge_certificate(&self.known, certificate, &blob, &fingerprint),
            None => judge_key(&self.known, &blob, &fingerprint),
        }
        .err();
        let accepted = error.is_none() && !self.looking;
        let judged = Judged { key: blob, fingerprint, algorithm: key.algorithm(), error };
        *self.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        Ok(accepted)
    }

    // A host must not open channels here. None was asked for, and without these methods all would be accepted. Dropping the
    // reply refuses.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }
}

fn judge_key(known: &Known, key: &[u8], fingerprint: &str) -> Result<(), ConnectError> {
    let (name, shown) = (known.name.clone(), fingerprint.to_owned());
    match known.judge(key) {
        Verdict::Known => Ok(()),
        Verdict::Unknown => Err(ConnectError::HostKeyUnknown { name, shown }),
        Verdict::Changed => Err(ConnectError::HostKeyChanged { name, shown, known: known.fingerprints() }),
        Verdict::Revoked => Err(ConnectError::HostKeyRevoked { name, shown }),
    }
}

/// A host certificate (PROTOCOL.certkeys): signed by an authority of this host, for hosts, naming it, valid now.
fn judge_certificate(
    known: &Known,
    certificate: &Certificate,
    key: &[u8],
    fingerprint: &str,
) -> Result<(), ConnectError> {
    let (name, shown) = (known.name.clone(), fingerprint.to_owned());
    let fails = |reason: &str| {
        let (name, shown) = (name.clone(), shown.clone());
        Err(ConnectError::HostCertificate { name, shown, reason: reason.to_owned() })
    };
    let signer = russh::keys::PublicKey::new(certificate.signature_key().clone(), "");
    let Ok(authority) = signer.to_bytes() else {
        return fails("its authority's key cannot be read");
    };
    if known.is_revoked(key) || known.is_revoked(&authority) {
        return Err(ConnectError::HostKeyRevoked { name, shown });
    }
    // As in OpenSSH: a certificate that is not valid counts as the plain key in it.
    if !known.is_authority(&authority) || known.judge(key) == Verdict::Known {
        return judge_key(known, key, fingerprint);
    }
    let now = u64::try_from(clock::now().seconds()).unwrap_or(0);
    let trusted = [signer.fingerprint(HashAlg::Sha256)];
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return fails("it is signed with SHA-1");
    }
    if certificate.cert_type() != CertType::Host {
        return fails("it is for users");
    }
    if certificate.critical_options().iter().next().is_some() {
        return fails("it has critical options, which no host certificate has");
    }
    // As in OpenSSH 9: character by character, without wildcards.
    let named = |principal: &String| *principal == known.address;
    if !certificate.valid_principals().iter().any(named) {
        return fails("it does not name this host");
    }
    match certificate.validate_at(now, &trusted) {
        Ok(()) => Ok(()),
        Err(_) => fails("its signature is wrong or it is not valid now"),
    }
}
