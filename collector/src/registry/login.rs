//! Logins: what a registry demands, and what Docker's `config.json` has for it.
//!
//! Distribution project, "Token Authentication Specification", and its "OAuth2" part for identity tokens. Nothing secret is
//! sent before a registry asks for it itself: a challenge of a server that it redirects to is none of its own. A registry
//! may name any server for its tokens (Docker Hub does); credentials go to that server alone, they follow no redirect to
//! another, and without TLS they go only to hosts that the operator names.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use http_auth::parser::ChallengeParser;
use reqwest::header::HeaderValue;
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};

use super::hosts::{Place, authority, is_named};
use super::http::{self, HttpError, Redirects};
use super::{Options, Patience};

/// The logins of one registry.
pub(super) struct Login {
    registry: String,
    /// Where the registry is, if it is asked without TLS and `--plain-http` does not name it.
    in_clear: Option<Url>,
    plain_http: BTreeSet<String>,
    client: Client,
    docker_config: Option<PathBuf>,
    patience: Patience,
    credential: OnceCell<Option<DockerCredential>>,
    /// By repository, since tokens are for one.
    known: Mutex<HashMap<String, HeaderValue>>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// A login failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginFault {
    /// The credentials cannot be had.
    #[error("the credentials for {registry}: {why}")]
    Credential {
        /// The registry.
        registry: String,
        /// Why not.
        why: String,
    },
    /// Somebody on the path could read the credentials.
    #[error(
        "{registry}: its credentials are not sent to {realm}, which is asked without TLS: have the registry name a place of \
         https, or allow it with --plain-http {host}"
    )]
    InClear {
        /// The registry.
        registry: String,
        /// Where they would go.
        realm: String,
        /// The host, and the port if it is not the scheme's own.
        host: String,
    },
    /// The server that gives out tokens refuses.
    #[error("{registry}: the login failed: {why}")]
    Token {
        /// The registry.
        registry: String,
        /// What it says.
        why: String,
    },
}

impl Login {
    pub(super) fn new(place: &Place, authorities: &[Vec<u8>], options: &Options) -> Result<Self, HttpError> {
        Ok(Self {
            registry: place.registry(),
            in_clear: place.in_clear().cloned(),
            plain_http: options.plain_http.clone(),
            client: http::client(authorities, Redirects::SameServer)?,
            docker_config: options.docker_config.clone(),
            patience: options.patience,
            credential: OnceCell::new(),
            known: Mutex::default(),
        })
    }

    /// What was accepted for a repository before.
    pub(super) async fn known(&self, repository: &str) -> Option<HeaderValue> {
        self.known.lock().await.get(repository).cloned()
    }

    /// Logs in, where `refused` is what a registry does not take, and these are its challenges. None where there is nothing
    /// to try.
    pub(super) async fn renew(
        &self,
        repository: &str,
        refused: Option<&HeaderValue>,
        challenges: &[&str],
    ) -> Result<Option<HeaderValue>, LoginFault> {
        // one login at a time: whoever waited finds what the first one got
        let mut known = self.known.lock().await;
        if let Some(newer) = known.get(repository).filter(|&newer| Some(newer) != refused) {
            return Ok(Some(newer.clone()));
        }
        known.remove(repository);
        let credential = self.credential().await?;
        // the token that a credential is good for is as secret as the credential
        if credential.is_some()
            && let Some(registry) = &self.in_clear
        {
            return Err(self.in_clear(registry));
        }
        let authorization = match bearer(challenges) {
            Some((realm, service)) => {
                let token = self.token(repository, &realm, service.as_deref(), credential).await?;
                Some(format!("Bearer {token}"))
            }
            None => match credential {
                Some(DockerCredential::UsernamePassword(user, password)) => {
                    Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
                }
                _ => None,
            },
        };
        let Some(mut value) = authorization.and_then(|text| HeaderValue::from_str(&text).ok()) else {
            return Ok(None);
        };
        value.set_sensitive(true);
        known.insert(repository.to_owned(), value.clone());
        Ok(Some(value))
    }

    /// What to do where the registry refuses all the same.
    pub(super) async fn hint(&self) -> String {
        match self.credential().await {
            Ok(Some(_)) => {
                format!("the credentials of Docker's config.json for {} do not suffice", self.registry)
            }
            _ => format!("log in to {} with docker login, oras login or podman login", self.registry),
        }
    }

    /// An access token for a repository, from the server that the registry names.
    async fn token(
        &self,
        repository: &str,
        realm: &str,
        service: Option<&str>,
        credential: Option<&DockerCredential>,
    ) -> Result<String, LoginFault> {
        let realm = Url::parse(realm).ok().filter(|realm| matches!(realm.scheme(), "https" | "http"));
        let realm = realm.ok_or_else(|| self.fault("it names no place for tokens"))?;
        if credential.is_some() && realm.scheme() == "http" && !is_named(&realm, &self.plain_http) {
            return Err(self.in_clear(&realm));
        }
        let scope = format!("repository:{repository}:pull");
        let mut parameters = vec![("scope", scope.as_str())];
        parameters.extend(service.map(|service| ("service", service)));
        let request = || match credential {
            Some(DockerCredential::IdentityToken(identity)) => {
                let grant =
                    [("grant_type", "refresh_token"), ("client_id", "assay"), ("refresh_token", identity)];
                self.client.post(realm.clone()).form(&[&grant[..], &parameters].concat())
            }
            credential => {
                let mut url = realm.clone();
                url.query_pairs_mut().extend_pairs(&parameters);
                let request = self.client.get(url);
                match credential {
                    Some(DockerCredential::UsernamePassword(user, password)) => {
                        request.basic_auth(user, Some(password))
                    }
                    _ => request,
                }
            }
        };
        let reply = http::get(request, TOKEN_BYTES, &self.patience)
            .await
            .map_err(|error| self.fault(&error.to_string()))?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&reply.body).ok();
        let token = answer.and_then(|answer| answer.token.or(answer.access_token));
        match token.filter(|_| reply.status.is_success()) {
            Some(token) => Ok(token),
            None => Err(self.fault(&format!("the server that gives out tokens answers {}", reply.status))),
        }
    }

    async fn credential(&self) -> Result<Option<&DockerCredential>, LoginFault> {
        let credential = self.credential.get_or_try_init(|| async {
            let Some(path) = self.docker_config.clone() else { return Ok(None) };
            let registry = self.registry.clone();
            // helpers are programs, and may ask a person or a keychain that does not answer
            let work = tokio::task::spawn_blocking(move || credential(&path, &registry));
            match tokio::time::timeout(HELPER, work).await {
                Ok(Ok(found)) => {
                    found.map_err(|why| LoginFault::Credential { registry: self.registry.clone(), why })
                }
                _ => Err(LoginFault::Credential {
                    registry: self.registry.clone(),
                    why: "the credential helper does not answer".to_owned(),
                }),
            }
        });
        Ok(credential.await?.as_ref())
    }

    fn in_clear(&self, to: &Url) -> LoginFault {
        let mut realm = to.clone();
        realm.set_query(None);
        LoginFault::InClear { registry: self.registry.clone(), realm: realm.to_string(), host: authority(to) }
    }

    fn fault(&self, why: &str) -> LoginFault {
        LoginFault::Token { registry: self.registry.clone(), why: why.chars().take(300).collect() }
    }
}

/// What a server that gives out tokens answers: one of the two, or both with the same value.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a `config.json` has for a registry, its helpers asked.
fn credential(path: &std::path::Path, registry: &str) -> Result<Option<DockerCredential>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => std::io::BufReader::new(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let server = if registry == "registry-1.docker.io" { "https://index.docker.io/v1/" } else { registry };
    match docker_credential::get_credential_from_reader(file, server) {
        Ok(credential) => Ok(Some(credential)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // what every helper says of a server that it does not know
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if [&stdout, &stderr].iter().any(|text| text.contains("credentials not found")) =>
        {
            Ok(None)
        }
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => Err(format!("{helper} failed")),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Realm and service of a challenge for a token.
fn bearer(challenges: &[&str]) -> Option<(String, Option<String>)> {
    let challenges = challenges.iter().flat_map(|text| ChallengeParser::new(text)).filter_map(Result::ok);
    let challenge = challenges.into_iter().find(|one| one.scheme.eq_ignore_ascii_case("bearer"))?;
    let value = |name: &str| {
        let named = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.to_unescaped())
    };
    Some((value("realm")?, value("service")))
}

/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(30);

/// Bytes of an answer with a token; real ones have 5 KiB.
const TOKEN_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_for_tokens() {
        let text =
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a:pull""#;
        let (realm, service) = bearer(&["Basic realm=\"x\"", text]).unwrap();
        assert_eq!((realm.as_str(), service.as_deref()), ("https://auth.example/token", Some("r.example")));
        assert!(bearer(&["Basic realm=\"x\"", "nonsense,,="]).is_none());
    }

    #[test]
    fn credentials_come_from_the_file_and_from_helpers() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        assert_eq!(credential(&config, "r.example"), Ok(None));
        std::fs::write(
            &config,
            r#"{"auths":{"r.example:5000":{"auth":"dTpw"},"https://old.example/v1/":{"auth":"dTpw"},
               "id.example":{"auth":"dTo=","identitytoken":"t"}},
               "credHelpers":{"help.example":"absent-helper"}}"#,
        )
        .unwrap();
        let basic = DockerCredential::UsernamePassword("u".into(), "p".into());
        assert_eq!(credential(&config, "r.example:5000"), Ok(Some(basic)));
        assert_eq!(credential(&config, "r.example"), Ok(None));
        let identity = DockerCredential::IdentityToken("t".into());
        assert_eq!(credential(&config, "id.example"), Ok(Some(identity)));
        assert!(credential(&config, "help.example").is_err());
        std::fs::write(&config, "{").unwrap();
        assert!(credential(&config, "r.example").is_err());
    }
}
