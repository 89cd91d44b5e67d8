//! One GET, bounded in bytes and time, made again where that may help.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};

use super::Patience;

/// An answer with its whole body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) url: reqwest::Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A client that trusts the system's authorities and these. Proxies are those that the environment names.
pub(super) fn client(authorities: &[Vec<u8>]) -> Result<Client, HttpError> {
    let mut roots = Vec::new();
    for pem in authorities {
        let several = reqwest::Certificate::from_pem_bundle(pem);
        roots.extend(several.map_err(|error| HttpError::Authority { why: chain(&error) })?);
    }
    let redirects = Policy::custom(|attempt| {
        let leaves_tls = attempt.previous().last().is_some_and(|from| from.scheme() == "https")
            && attempt.url().scheme() != "https";
        if leaves_tls {
            attempt.error("it leads from HTTPS to HTTP")
        } else if attempt.previous().len() > REDIRECTS {
            attempt.error("it leads on and on")
        } else {
            attempt.follow()
        }
    });
    Client::builder()
        .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .tls_certs_merge(roots)
        .build()
        .map_err(|error| HttpError::Authority { why: chain(&error) })
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
        let once = tokio::time::timeout(patience.request, once(request(), limit)).await;
        let (error, asked) = match once.unwrap_or(Err(HttpError::TimedOut)) {
            Ok(reply) if !is_passing(reply.status) => return Ok(reply),
            Ok(reply) => {
                let status = reply.status.as_u16();
                (HttpError::Busy { url: reply.url.to_string(), status }, retry_after(&reply.headers))
            }
            Err(error @ (HttpError::Unreachable { .. } | HttpError::TimedOut)) => (error, None),
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

async fn once(request: RequestBuilder, limit: u64) -> Result<Reply, HttpError> {
    let mut response = request.send().await.map_err(|error| HttpError::of(&error))?;
    let url = response.url().clone();
    let too_large = || HttpError::TooLarge { url: url.to_string(), limit };
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
    #[error("the answer took too long")]
    TimedOut,
    /// The server is busy, and was after every pause.
    #[error("{url}: the server is busy ({status})")]
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
    fn of(error: &reqwest::Error) -> Self {
        let mut url = error.url().cloned();
        if let Some(url) = &mut url {
            url.set_query(None);
        }
        let url = url.map(|url| url.to_string()).unwrap_or_default();
        let why = chain(error);
        if error.is_builder() || error.is_redirect() || why.contains("certificate") {
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
const REDIRECTS: usize = 5;
