//! Verifies servers: the system's authorities and the given ones vouch for them, or their certificate is itself given.
//!
//! A registry's own documentation has its operator make a self-signed certificate, and OpenSSL makes that one of an authority
//! (`openssl req -x509`). RFC 5280 has no authority be a server, and rustls refuses it; every other client takes it, since it
//! is the very certificate that it was told to trust. It is taken here if it is one of those given, byte for byte; its name,
//! its time and its purpose count all the same, and so does the server's proof that it has the key.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assay_verifier::x509::{Certificate, oid};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::Verifier;

/// A certificate that is trusted, in DER.
pub(crate) type Authority = CertificateDer<'static>;

/// The certificates of a file, in PEM or DER.
///
/// # Errors
/// [`io::Error`], also if there is none, or one that cannot be trusted.
pub(crate) fn authorities(path: &Path) -> io::Result<Vec<Authority>> {
    let bytes = std::fs::read(path)?;
    let authorities: Vec<Authority> = match bytes.first() {
        // SEQUENCE
        Some(0x30) => vec![bytes.into()],
        _ => CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|_| invalid("its PEM is broken"))?,
    };
    if authorities.is_empty() {
        return Err(invalid("it holds no certificate"));
    }
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots.add(authority.clone()).map_err(|_| invalid("it holds a certificate that cannot be read"))?;
    }
    Ok(authorities)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}; certificates are named in PEM or DER"))
}

/// How a client speaks TLS that trusts the system's authorities and these.
///
/// # Errors
/// [`rustls::Error`], if one of them cannot be used.
pub(super) fn config(given: &[Authority]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let authorities = match Verifier::new_with_extra_roots(given.iter().cloned(), Arc::clone(&provider)) {
        Ok(verifier) => Some(verifier),
        // a machine without any trusts no server until an authority is given
        Err(rustls::Error::General(_)) if given.is_empty() => None,
        Err(error) => return Err(error),
    };
    let trust = Trust { authorities, given: given.to_vec(), algorithms };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Verifies the certificates of servers.
#[derive(Debug)]
struct Trust {
    authorities: Option<Verifier>,
    given: Vec<Authority>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = match &self.authorities {
            Some(verifier) => {
                verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        if verified.is_err() && self.given.contains(end_entity) {
            return verify_given(end_entity, server_name, now).map(|()| ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies what is left of a certificate that is trusted itself: its name, its time and its purpose.
fn verify_given(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let parsed = Certificate::parse(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let seconds = |time: i64| UnixTime::since_unix_epoch(Duration::from_secs(time.try_into().unwrap_or(0)));
    let (not_before, not_after) =
        (seconds(parsed.not_before().seconds()), seconds(parsed.not_after().seconds()));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    let is_for_servers =
        |purpose: &String| [oid::SERVER_AUTH, oid::ANY_EXTENDED_KEY_USAGE].contains(&purpose.as_str());
    if parsed.extended_key_usage().is_some_and(|usage| !usage.purposes.iter().any(is_for_servers)) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)
}

/// What is wrong with a server, and what to do, if TLS is the cause of an error; `host` is what options call it.
pub(super) fn fault(error: &(dyn Error + 'static), host: &str) -> Option<String> {
    use rustls::Error as Tls;
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    let fault = causes.find_map(within)?;
    Some(match fault {
        Tls::InvalidCertificate(error) => distrust(error, host),
        Tls::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            format!(
                "it does not speak TLS; if that is meant, name it with --plain-http {host}, or write http:// in hosts.toml"
            )
        }
        Tls::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA,
        ) => "it demands a client certificate, which is not supported".to_owned(),
        Tls::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("it does not know the name {host}: ask for it by the name that it has")
        }
        Tls::PeerIncompatible(_)
        | Tls::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        ) => {
            "it speaks neither TLS 1.2 nor TLS 1.3 with a method that is safe today: let it speak one of them"
                .to_owned()
        }
        Tls::AlertReceived(alert) => {
            format!("it breaks the TLS handshake off, with alert {}", u8::from(*alert))
        }
        _ => format!("its TLS is broken; if it is not meant to speak TLS, name it with --plain-http {host}"),
    })
}

/// The error of TLS that an error is, or that I/O errors wrap, which their sources pass over.
fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(wrapper) => within(wrapper.get_ref()?),
        None => error.downcast_ref(),
    }
}

/// Why a server's certificate is not trusted, and what to do.
fn distrust(error: &CertificateError, host: &str) -> String {
    let day = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        assay_verifier::time::UnixTime::from_seconds(seconds).map(|time| time.to_string()).unwrap_or_default()
    };
    match error {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "its certificate was valid until {}: have it renewed, and name the new one with --ca if it is self-signed",
            day(not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is valid from {} on: compare this machine's clock", day(not_before))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "its certificate is not for the name {host}: ask for it by a name that its subjectAltName has, or have one made \
             for this name and name it with --ca if it is self-signed"
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for servers: have one made whose extended key usage has serverAuth".to_owned()
        }
        CertificateError::Revoked => "its certificate is revoked: have a new one made".to_owned(),
        _ => "its certificate is of no authority that is trusted here: name the authority's certificate, or the server's own \
              if it is self-signed, with --ca FILE"
            .to_owned(),
    }
}
