//! Answers what a registry demands with the [`Credentials`] for it.
//!
//! Distribution project, "Token Authentication Specification", and its "OAuth2" part for identity tokens. What counts is the
//! challenge of the request that was refused: it names the place for tokens, perhaps as a path of its own server, and the
//! scopes. Nothing secret is sent before a registry asks for it itself: a challenge of a server that it redirects to is not
//! its own. A registry may name any server for its tokens (Docker Hub does); credentials go to that server alone, they follow
//! no redirect to another, and without TLS they go only to hosts that the operator names.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use assay_verifier::oci::Repository;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::DockerCredential;
use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::credentials::{Credentials, StoredCredential};
use super::hosts::RegistryHost;
use super::http::{self, Body, HttpError, Network, Redirects, Reply};
use super::options::Options;
use super::tls::Authority;
use super::urls::{authority, is_named, without_query};

/// The logins of one registry.
pub(super) struct Login {
    host: RegistryHost,
    plain_http: BTreeSet<String>,
    client: Client,
    network: Network,
    credentials: Credentials,
    /// By repository, since tokens are for one.
    known: Mutex<HashMap<String, Accepted>>,
}

/// What a registry took, and the challenge that it answers.
struct Accepted {
    authorization: HeaderValue,
    challenge: Challenge,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("host", &self.host).finish_non_exhaustive()
    }
}

/// A login failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LoginFault {
    /// The credentials cannot be read.
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
    pub(super) fn new(
        host: &RegistryHost,
        authorities: &[Authority],
        options: &Options,
        network: &Network,
    ) -> Result<Self, HttpError> {
        Ok(Self {
            host: host.clone(),
            plain_http: options.plain_http.clone(),
            client: http::client(authorities, host.connect, Redirects::SameServer)?,
            network: network.clone(),
            credentials: Credentials::new(host.registry(), options.auth_files.clone()),
            known: Mutex::default(),
        })
    }

    /// What was accepted for a repository before.
    pub(super) async fn known(&self, repository: &Repository) -> Option<HeaderValue> {
        let known = self.known.lock().await;
        known.get(repository.as_str()).map(|accepted| accepted.authorization.clone())
    }

    /// Logs in. `refused` is what the registry does not accept, and `reply` is how it refuses. None if there is nothing to try.
    pub(super) async fn renew(
        &self,
        repository: &Repository,
        refused: Option<&HeaderValue>,
        reply: &Reply,
    ) -> Result<Option<HeaderValue>, LoginFault> {
        let challenge = Challenge::from_reply(reply);
        // one login at a time: the others find what the first one got
        let mut known = self.known.lock().await;
        let newer = known.get(repository.as_str()).filter(|newer| newer.challenge == challenge);
        if let Some(newer) = newer.filter(|newer| Some(&newer.authorization) != refused) {
            return Ok(Some(newer.authorization.clone()));
        }
        known.remove(repository.as_str());
        let found = self.found(repository).await?;
        let found = found.as_deref();
        // the token that a credential is good for is as secret as the credential
        if found.is_some()
            && let Some(registry) = self.host.in_clear()
        {
            return Err(self.in_clear(registry));
        }
        let Some(mut authorization) = self.answer(repository, &challenge, found).await? else {
            return Ok(None);
        };
        authorization.set_sensitive(true);
        let accepted = Accepted { authorization: authorization.clone(), challenge };
        known.insert(repository.as_str().to_owned(), accepted);
        Ok(Some(authorization))
    }

    /// What to do if the registry still refuses.
    pub(super) async fn hint(&self, repository: &Repository) -> String {
        match self.found(repository).await {
            Ok(Some(found)) => format!(
                "the credentials for {} in {} do not suffice: log in as a user who may pull this",
                self.host.registry(),
                found.file.display()
            ),
            Ok(None) => self.credentials.hint(),
            Err(fault) => fault.to_string(),
        }
    }

    /// A token if the registry names a place for tokens that gives one, else user and password if it takes them.
    async fn answer(
        &self,
        repository: &Repository,
        challenge: &Challenge,
        found: Option<&StoredCredential>,
    ) -> Result<Option<HeaderValue>, LoginFault> {
        let mut fault = None;
        for demand in challenge.tokens.iter().take(TOKEN_SERVERS) {
            match self.token(repository, demand, found).await {
                Ok(token) => return Ok(HeaderValue::from_str(&format!("Bearer {token}")).ok()),
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        match (found.map(|found| &found.credential), fault) {
            (Some(DockerCredential::UsernamePassword(user, password)), _) if challenge.is_basic() => {
                let basic = STANDARD.encode(format!("{user}:{password}"));
                Ok(HeaderValue::from_str(&format!("Basic {basic}")).ok())
            }
            (_, Some(fault)) => Err(fault),
            (_, None) => Ok(None),
        }
    }

    /// An access token for a repository, from the server that the registry names.
    async fn token(
        &self,
        repository: &Repository,
        demand: &TokenDemand,
        found: Option<&StoredCredential>,
    ) -> Result<String, LoginFault> {
        let TokenDemand { realm, service, scopes } = demand;
        if found.is_some() && realm.scheme() == "http" && !is_named(realm, &self.plain_http) {
            return Err(self.in_clear(realm));
        }
        let assumed = format!("repository:{}:pull", self.host.repository(repository));
        let scopes: Vec<&str> = match &scopes[..] {
            [] => vec![&assumed],
            named => named.iter().map(String::as_str).collect(),
        };
        let service = service.as_deref().map(|service| ("service", service));
        // what this very server is always sent, but for what the credential stands in place of
        let mut own = if self.host.is_at(realm) { self.host.headers.clone() } else { HeaderMap::new() };
        if found.is_some() {
            own.remove(AUTHORIZATION);
        }
        let request = || match found.map(|found| &found.credential) {
            Some(DockerCredential::IdentityToken(identity)) => {
                let scope = scopes.join(" ");
                let mut form = vec![("grant_type", "refresh_token"), ("client_id", "assay")];
                form.extend([("refresh_token", identity.as_str()), ("scope", &scope)]);
                form.extend(service);
                self.client.post(realm.clone()).headers(own.clone()).form(&form)
            }
            credential => {
                let mut url = realm.clone();
                url.query_pairs_mut()
                    .extend_pairs(service)
                    .extend_pairs(scopes.iter().map(|one| ("scope", one)));
                let request = self.client.get(url).headers(own.clone());
                match credential {
                    Some(DockerCredential::UsernamePassword(user, password)) => {
                        request.basic_auth(user, Some(password))
                    }
                    _ => request,
                }
            }
        };
        let fault = |why: String| LoginFault::Token { registry: self.host.registry(), why };
        let reply = http::get(request, Body::Memory { limit: TOKEN_BYTES }, &self.network).await;
        let reply = reply.map_err(|error| fault(error.to_string()))?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&reply.body).ok();
        let tokens = answer.map(|answer| [answer.token, answer.access_token]).into_iter().flatten().flatten();
        match tokens.into_iter().find(|token| !token.is_empty()).filter(|_| reply.status.is_success()) {
            Some(token) => Ok(token),
            None => {
                let hint = match found {
                    Some(found) => {
                        format!("log in again: it does not take those of {}", found.file.display())
                    }
                    None => self.credentials.hint(),
                };
                let status = reply.status.as_u16();
                let realm = without_query(&reply.url);
                Err(fault(format!(
                    "{realm}, which gives out its tokens, answers {status} and no token: {hint}"
                )))
            }
        }
    }

    async fn found(&self, repository: &Repository) -> Result<Option<Arc<StoredCredential>>, LoginFault> {
        let found = self.credentials.for_repository(&self.host.full_name(repository)).await;
        found.map_err(|why| LoginFault::Credential { registry: self.host.registry(), why })
    }

    fn in_clear(&self, to: &Url) -> LoginFault {
        LoginFault::InClear { registry: self.host.registry(), realm: without_query(to), host: authority(to) }
    }
}

/// What a registry demands when it refuses a request. RFC 9110, "WWW-Authenticate".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Challenge {
    /// Places that give out tokens for it, in its own order.
    tokens: Vec<TokenDemand>,
    /// Whether it takes user and password itself.
    basic: bool,
}

/// A token that a registry demands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TokenDemand {
    realm: Url,
    service: Option<String>,
    scopes: Vec<String>,
}

impl Challenge {
    fn from_reply(reply: &Reply) -> Self {
        let mut challenge = Self::default();
        let headers = reply.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        for one in headers.flat_map(ChallengeParser::new).filter_map(Result::ok) {
            challenge.basic |= one.scheme.eq_ignore_ascii_case("basic");
            let Some(demand) = TokenDemand::from_challenge(&one, &reply.url) else { continue };
            // scopes of one server may be given one by one
            let same =
                |other: &&mut TokenDemand| other.realm == demand.realm && other.service == demand.service;
            match challenge.tokens.iter_mut().find(same) {
                Some(other) => other.scopes.extend(demand.scopes),
                None => challenge.tokens.push(demand),
            }
        }
        challenge
    }

    /// Whether user and password may help: it says so, or says nothing that is understood.
    fn is_basic(&self) -> bool {
        self.basic || self.tokens.is_empty()
    }
}

impl TokenDemand {
    /// The demand for a token, if the challenge is one. A realm may be a path of the server that was asked for `url`.
    fn from_challenge(challenge: &ChallengeRef<'_>, url: &Url) -> Option<Self> {
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let value = |name: &str| {
            let named = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.to_unescaped()).filter(|value| !value.is_empty())
        };
        let realm =
            url.join(&value("realm")?).ok().filter(|realm| matches!(realm.scheme(), "https" | "http"))?;
        let scopes = value("scope").unwrap_or_default();
        let scopes = scopes.split_whitespace().map(str::to_owned).collect();
        Some(Self { realm, service: value("service"), scopes })
    }
}

/// What a server that gives out tokens answers: one of the two, or both with the same value.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Servers for tokens that are tried for one challenge: real ones name one.
const TOKEN_SERVERS: usize = 3;

/// Bytes of an answer with a token; real ones have 5 KiB.
const TOKEN_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn challenge(url: &str, values: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        let url = url.parse().unwrap();
        Challenge::from_reply(&Reply { url, status: StatusCode::UNAUTHORIZED, headers, body: Vec::new() })
    }

    #[test]
    fn challenges_are_read_in_every_form_that_registries_write() {
        let url = "https://r.example:8443/artifactory/v2/app/manifests/v1?ns=x";
        let of = |values: &[&str]| {
            let Challenge { tokens, basic } = challenge(url, values);
            let tokens = tokens.into_iter().map(|one| {
                format!("{} {} {}", one.realm, one.service.unwrap_or_default(), one.scopes.join(","))
            });
            (tokens.collect::<Vec<_>>(), basic)
        };
        let scope = r#"Bearer realm="https://a.example/token",service="s",scope="repository:x/a:pull""#;
        let one = "https://a.example/token s repository:x/a:pull".to_owned();
        assert_eq!(of(&[scope]), (vec![one.clone()], false));
        assert_eq!(of(&["Basic realm=\"x\"", scope]), (vec![one.clone()], true));
        assert_eq!(of(&[&format!("Basic realm=\"x\", {scope}")]), (vec![one.clone()], true));
        assert_eq!(of(&[&format!("{scope}, Basic realm=\"x\"")]), (vec![one], true));
        let more = r#"bearer realm="https://a.example/token",service="s",scope="repository:y:pull  other""#;
        let both = "https://a.example/token s repository:x/a:pull,repository:y:pull,other".to_owned();
        assert_eq!(of(&[scope, more]), (vec![both.clone()], false));
        assert_eq!(of(&[&format!("{scope}, {more}")]), (vec![both], false));
        for (realm, expected) in [
            ("/service/token", "https://r.example:8443/service/token"),
            ("token", "https://r.example:8443/artifactory/v2/app/manifests/token"),
            ("//a.example/token", "https://a.example/token"),
            ("https://a.example/token?tenant=1", "https://a.example/token?tenant=1"),
        ] {
            assert_eq!(of(&[&format!("Bearer realm=\"{realm}\"")]), (vec![format!("{expected}  ")], false));
        }
        for none in ["Basic realm=\"x\"", "Bearer realm=\"ftp://a.example\"", "Bearer", "nonsense,,=", ""] {
            assert_eq!(of(&[none]), (Vec::new(), none.starts_with("Basic")), "{none}");
        }
    }
}
