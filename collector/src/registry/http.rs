//! One GET, bounded in bytes and time, made again where that may help.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, RequestBuilder, StatusCode, Url};

use super::Patience;
use super::published::NotAsked;

/// An answer with its whole body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Which redirects a client follows; from HTTPS to HTTP it follows none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirects {
    /// Wherever they lead. Authorization stays with the server that it was meant for.
    Anywhere,
    /// Only within one server: what is sent must not reach another.
    SameServer,
    /// None: whoever asks looks at each.
    No,
}

/// A client that trusts the system's authorities and these. Proxies are those that the environment names.
pub(super) fn client(authorities: &[Vec<u8>], redirects: Redirects) -> Result<Client, HttpError> {
    build(builder(authorities)?.redirect(redirects.policy()))
}

/// The client that a builder makes.
pub(super) fn build(builder: ClientBuilder) -> Result<Client, HttpError> {
    builder.build().map_err(|error| HttpError::Authority { why: chain(&error) })
}

/// What every client has: who it is, whom it trusts, and how long it waits.
pub(super) fn builder(authorities: &[Vec<u8>]) -> Result<ClientBuilder, HttpError> {
    let mut roots = Vec::new();
    for pem in authorities {
        let several = reqwest::Certificate::from_pem_bundle(pem);
        roots.extend(several.map_err(|error| HttpError::Authority { why: chain(&error) })?);
    }
    Ok(Client::builder()
        .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .tls_certs_merge(roots))
}

impl Redirects {
    pub(super) fn policy(self) -> Policy {
        if self == Self::No {
            return Policy::none();
        }
        Policy::custom(move |attempt| {
            let from = attempt.previous().last();
            if from.is_some_and(|from| leaves_tls(from, attempt.url())) {
                attempt.error(LEAVES_TLS)
            } else if attempt.previous().len() > REDIRECTS {
                attempt.error(TOO_MANY_REDIRECTS)
            } else if self == Self::SameServer
                && from.is_some_and(|from| from.origin() != attempt.url().origin())
            {
                attempt.error("it leads to another server, which credentials are not sent to")
            } else {
                attempt.follow()
            }
        })
    }
}

/// Whether a redirect leads from HTTPS to HTTP.
pub(super) fn leaves_tls(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

/// Makes a request until it is answered. What servers answer when they are busy, and answers that break off, are waited
/// out.
pub(super) async fn get(
    request: impl Fn() -> RequestBuilder,
    limit: u64,
    patience: &Patience,
) -> Result<Reply, HttpError> {
    let mut attempt = 0;
    loop {
        let (client, request) = request().build_split();
        let request = request.map_err(|error| HttpError::of(&error))?;
        let url = shown(request.url());
        let once = tokio::time::timeout(patience.request, once(&client, request, limit)).await;
        let (error, asked) = match once.unwrap_or(Err(HttpError::TimedOut { url })) {
            Ok(reply) if !is_passing(reply.status) => return Ok(reply),
            Ok(reply) => {
                let status = reply.status.as_u16();
                (HttpError::Busy { url: shown(&reply.url), status }, retry_after(&reply.headers))
            }
            Err(error @ (HttpError::Unreachable { .. } | HttpError::TimedOut { .. })) => (error, None),
            Err(error) => return Err(error),
        };
        let wait = asked.unwrap_or_else(|| patience.pause(attempt));
        if attempt >= patience.retries || wait > patience.longest {
            return Err(error);
        }
        attempt += 1;
        tokio::time::sleep(wait).await;
    }
}

async fn once(client: &Client, request: Request, limit: u64) -> Result<Reply, HttpError> {
    let mut response = client.execute(request).await.map_err(|error| HttpError::of(&error))?;
    let url = response.url().clone();
    let too_large = || HttpError::TooLarge { url: shown(&url), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| HttpError::of(&error))? {
        if body.len() as u64 + chunk.len() as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status: response.status(), headers: response.headers().clone(), url, body })
}

/// A URL without its query, which may be a signature.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// Whether an answer says that another attempt may succeed.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long a server asks to be left alone, in seconds. The other form, a date, needs two clocks that agree; the pauses of
/// our own do.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// An error with its causes, without the URL, which may hold what signs a redirect.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if !text.is_empty() {
            text += ": ";
        }
        text += &cause.to_string();
        source = cause.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

/// Whether the address was found and is not asked, which another attempt would not change.
fn is_not_asked(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(|cause| cause.downcast_ref::<NotAsked>().is_some())
}

/// A request has no answer, or none that may be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection, or one that broke.
    #[error("{url}: cannot be reached: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// The server's certificate is not trusted, or it is no server of this protocol; another attempt would not help.
    #[error("{url}: {why}")]
    Refused {
        /// What was asked for.
        url: String,
        /// Why.
        why: String,
    },
    /// Longer than a request may take.
    #[error("{url}: the answer took too long")]
    TimedOut {
        /// What was asked for.
        url: String,
    },
    /// The server, or a proxy before it, is busy or fails, and did after every pause.
    #[error("{url}: the server or a proxy is busy or fails ({status})")]
    Busy {
        /// What was asked for.
        url: String,
        /// What it answers.
        status: u16,
    },
    /// The body is larger than anything real.
    #[error("{url}: larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// What is read.
        limit: u64,
    },
    /// A certificate that is to be trusted cannot be read.
    #[error("the certificates to trust: {why}")]
    Authority {
        /// Why not.
        why: String,
    },
}

impl HttpError {
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let url = error.url().map(shown).unwrap_or_default();
        let mut why = chain(error);
        if why.contains("InvalidContentType") {
            let host = error.url().map(super::hosts::authority).unwrap_or_default();
            why = format!("it does not speak TLS; if that is meant, name it with --plain-http {host}");
            return Self::Refused { url, why };
        }
        if why.contains("UnknownIssuer") {
            why += "; if its CA is the site's own, name the CA's certificate with --ca";
        }
        if error.is_builder() || error.is_redirect() || is_not_asked(error) || why.contains("certificate") {
            Self::Refused { url, why }
        } else {
            Self::Unreachable { url, why }
        }
    }
}

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Redirects of one request: a registry that keeps blobs elsewhere needs one or two.
pub(super) const REDIRECTS: usize = 5;

/// What is said of a redirect that [`leaves_tls`].
pub(super) const LEAVES_TLS: &str = "it leads from HTTPS to HTTP";

/// What is said past [`REDIRECTS`].
pub(super) const TOO_MANY_REDIRECTS: &str = "it leads on and on";
