//! Makes one request, bounded in bytes and time, and repeats it if that may help.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, RequestBuilder, StatusCode, Url};

use super::addresses::ForbiddenAddress;
use super::options::RequestPolicy;
use super::tls::{self, Authority};
use super::urls::{authority, without_query};

/// An answer with its whole body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Empty if it is in a file.
    pub(super) body: Vec<u8>,
}

/// Where the body of an answer goes, and how many bytes it may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'f> {
    /// Into memory.
    Memory { limit: u64 },
    /// Into a file, in place of what is there, if the answer is what was asked for.
    File { limit: u64, file: &'f File },
}

impl Body<'_> {
    /// How long one request may take.
    fn patience(self, policy: &RequestPolicy) -> Duration {
        match self {
            Self::Memory { .. } => policy.request,
            Self::File { limit, .. } => policy.request.saturating_add(Duration::from_secs(limit / SLOWEST)),
        }
    }
}

impl Reply {
    /// Where a redirect leads; none if this is not one. From HTTPS to HTTP none leads.
    pub(super) fn leads_to(&self) -> Result<Option<Url>, HttpError> {
        if !matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        self.location().map(Some)
    }

    /// Where an answer says that to go on, which is not from HTTPS to HTTP.
    pub(super) fn location(&self) -> Result<Url, HttpError> {
        let refused = |why: &str| HttpError::Refused { url: without_query(&self.url), why: why.to_owned() };
        let location = self.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let next = location.and_then(|location| self.url.join(location).ok());
        let next = next.filter(|next| matches!(next.scheme(), "http" | "https") && next.has_host());
        let next = next.ok_or_else(|| refused("it leads nowhere"))?;
        if leaves_tls(&self.url, &next) { Err(refused(LEAVES_TLS)) } else { Ok(next) }
    }
}

/// How this run asks servers, and what it has learnt of them.
#[derive(Clone, Debug)]
pub(super) struct Network {
    policy: RequestPolicy,
    /// By origin: none once a server has answered, else why it could not be reached.
    servers: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

impl Network {
    pub(super) fn new(policy: RequestPolicy) -> Self {
        Self { policy, servers: Arc::default() }
    }

    /// Why a server is not asked again, which never answered in this run.
    fn unreachable(&self, url: &Url) -> Option<String> {
        self.servers().get(&url.origin().ascii_serialization()).cloned().flatten()
    }

    fn answered(&self, url: &Url) {
        self.servers().insert(url.origin().ascii_serialization(), None);
    }

    /// Remembers that no connection could be made, unless the server has answered before: then it may be back soon.
    fn gave_up(&self, url: &Url, error: &HttpError) {
        if let HttpError::Unreachable { why, .. } = error {
            let origin = url.origin().ascii_serialization();
            self.servers().entry(origin).or_insert_with(|| Some(why.clone()));
        }
    }

    fn servers(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which redirects a client follows; from HTTPS to HTTP it follows none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirects {
    /// Only within one server: what is sent must not reach another.
    SameServer,
    /// None: the caller looks at each.
    No,
}

/// A client that trusts the system's authorities and these. Proxies are those that the environment names.
pub(super) fn client(
    authorities: &[Authority],
    connect: Option<Duration>,
    redirects: Redirects,
) -> Result<Client, HttpError> {
    let builder = builder(authorities)?.redirect(redirects.policy());
    build(builder.connect_timeout(connect.unwrap_or(CONNECT)))
}

/// The client that a builder makes.
pub(super) fn build(builder: ClientBuilder) -> Result<Client, HttpError> {
    builder.build().map_err(|error| HttpError::Tls { why: cause(&error) })
}

/// What every client has: who it is, whom it trusts, and how long it waits.
pub(super) fn builder(authorities: &[Authority]) -> Result<ClientBuilder, HttpError> {
    let tls = tls::config(authorities).map_err(|error| HttpError::Tls { why: error.to_string() })?;
    Ok(Client::builder()
        .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .tls_backend_preconfigured(tls))
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
            } else if from.is_some_and(|from| from.origin() != attempt.url().origin()) {
                attempt.error("it leads to another server, which credentials are not sent to")
            } else {
                attempt.follow()
            }
        })
    }
}

/// Whether a redirect leads from HTTPS to HTTP.
fn leaves_tls(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

/// Makes a request until it is answered. What servers answer when they are busy, and answers that break off, are waited
/// out. A server that cannot be connected to is not asked again in this run.
pub(super) async fn get(
    request: impl Fn() -> RequestBuilder,
    body: Body<'_>,
    network: &Network,
) -> Result<Reply, HttpError> {
    let policy = &network.policy;
    let mut attempt = 0;
    loop {
        let (client, request) = request().build_split();
        let request = request.map_err(|error| HttpError::from_reqwest(&error))?;
        let server = request.url().clone();
        let url = without_query(&server);
        if let Some(why) = network.unreachable(&server) {
            return Err(HttpError::Unreachable { url, why });
        }
        let once = tokio::time::timeout(body.patience(policy), send_once(&client, request, body)).await;
        let once = once.unwrap_or(Err(HttpError::TimedOut { url }));
        if once.is_ok() {
            network.answered(&server);
        }
        let (error, asked) = match once {
            Ok(reply) if is_of_tls(&reply) => {
                return Err(HttpError::Refused {
                    url: without_query(&reply.url),
                    why: speaks_tls(&authority(&reply.url)),
                });
            }
            Ok(reply) if !is_passing(reply.status) => return Ok(reply),
            Ok(reply) => {
                let status = reply.status.as_u16();
                (HttpError::Busy { url: without_query(&reply.url), status }, retry_after(&reply.headers))
            }
            Err(error) if error.may_pass() => (error, None),
            Err(error) => return Err(error),
        };
        let wait = asked.unwrap_or_else(|| policy.pause(attempt));
        if attempt >= policy.retries || wait > policy.longest {
            network.gave_up(&server, &error);
            return Err(error);
        }
        attempt += 1;
        tokio::time::sleep(wait).await;
    }
}

async fn send_once(client: &Client, request: Request, into: Body<'_>) -> Result<Reply, HttpError> {
    let mut response = client.execute(request).await.map_err(|error| HttpError::from_reqwest(&error))?;
    let url = response.url().clone();
    let (limit, file) = match into {
        Body::Memory { limit } => (limit, None),
        Body::File { limit, file } if response.status() == StatusCode::OK => (limit, Some(file)),
        Body::File { .. } => (OTHER_ANSWER, None),
    };
    let too_large = || HttpError::TooLarge { url: without_query(&url), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let unwritten =
        |error: io::Error| HttpError::Unwritten { url: without_query(&url), why: error.to_string() };
    if let Some(mut file) = file {
        file.set_len(0).and_then(|()| file.rewind()).map_err(unwritten)?;
    }
    let mut body = Vec::new();
    let mut length = 0_u64;
    while let Some(chunk) = response.chunk().await.map_err(|error| HttpError::from_reqwest(&error))? {
        length = length.saturating_add(chunk.len() as u64);
        if length > limit {
            return Err(too_large());
        }
        match file {
            None => body.extend_from_slice(&chunk),
            Some(mut file) => file.write_all(&chunk).map_err(unwritten)?,
        }
    }
    Ok(Reply { status: response.status(), headers: response.headers().clone(), url, body })
}

/// Whether an answer is a TLS server's to a request without TLS, in the words of those that give one.
fn is_of_tls(reply: &Reply) -> bool {
    if reply.url.scheme() != "http" || reply.status != StatusCode::BAD_REQUEST {
        return false;
    }
    let text = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
    ["plain http", "http request to an https server", "requires tls"].iter().any(|words| text.contains(words))
}

fn speaks_tls(host: &str) -> String {
    format!("it speaks TLS: leave out --plain-http {host}, or write https:// in hosts.toml")
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

/// The cause of an error that lies deepest: what is above it tells of this program's inside, and of the URL, which may hold what
/// signs a redirect.
fn cause(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.last().map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

/// Whether the address was found and is not asked, which another attempt would not change.
fn is_forbidden(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(|cause| cause.downcast_ref::<ForbiddenAddress>().is_some())
}

/// A request has no answer, or none that may be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HttpError {
    /// No connection.
    #[error("{url}: cannot be reached: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// The connection broke.
    #[error("{url}: the connection broke: {why}")]
    Broken {
        /// What was asked for.
        url: String,
        /// Why.
        why: String,
    },
    /// The server's certificate is not trusted, or it does not speak this protocol. Another attempt would not help.
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
    /// The body cannot be kept.
    #[error("{url}: cannot be kept: {why}")]
    Unwritten {
        /// What was asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// There can be no client, since the system's authorities or those given cannot be used.
    #[error("the authorities to trust cannot be used: {why}")]
    Tls {
        /// Why not.
        why: String,
    },
}

impl HttpError {
    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        let url = error.url().map(without_query).unwrap_or_default();
        let host = error.url().map(authority).unwrap_or_default();
        if let Some(why) = tls::fault(error, &host) {
            return Self::Refused { url, why };
        }
        let why = cause(error);
        let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
        if error.is_builder() || error.is_redirect() || is_forbidden(error) {
            Self::Refused { url, why }
        } else if is_plain && why.starts_with("invalid HTTP") {
            Self::Refused { url, why: speaks_tls(&host) }
        } else if error.is_connect() {
            let why = if error.is_timeout() { "no connection in time".to_owned() } else { why };
            Self::Unreachable { url, why }
        } else if error.is_timeout() {
            Self::TimedOut { url }
        } else if is_plain && error.is_request() {
            // some servers of TLS say nothing to a request without
            Self::Broken { url, why: format!("{why}; or else {}", speaks_tls(&host)) }
        } else {
            Self::Broken { url, why }
        }
    }

    /// Whether another attempt may succeed.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. } | Self::TimedOut { .. })
    }
}

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Bytes in a second below which the download of a large blob is given up.
const SLOWEST: u64 = 32 << 10;

/// Bytes of an answer that is not the blob that was asked for.
const OTHER_ANSWER: u64 = 1 << 20;

/// Redirects of one request: a registry that keeps blobs elsewhere needs one or two.
pub(super) const REDIRECTS: usize = 5;

/// What is said of a redirect that [`leaves_tls`].
const LEAVES_TLS: &str = "it leads from HTTPS to HTTP";

/// What is said past [`REDIRECTS`].
pub(super) const TOO_MANY_REDIRECTS: &str = "it leads on and on";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_never_answered_is_given_up() {
        let network = Network::new(RequestPolicy::default());
        let url = |text: &str| Url::parse(text).unwrap();
        let unreachable = HttpError::Unreachable { url: String::new(), why: "refused".to_owned() };
        let broken = HttpError::Broken { url: String::new(), why: "reset".to_owned() };
        network.gave_up(&url("https://r.example/a"), &broken);
        assert_eq!(network.unreachable(&url("https://r.example/b")), None);
        network.gave_up(&url("https://r.example/a"), &unreachable);
        assert_eq!(network.unreachable(&url("https://r.example/b")), Some("refused".to_owned()));
        for other in ["http://r.example/b", "https://r.example:8443/b", "https://s.example/b"] {
            assert_eq!(network.unreachable(&url(other)), None, "{other}");
        }
        network.answered(&url("https://s.example/a"));
        network.gave_up(&url("https://s.example/a"), &unreachable);
        assert_eq!(network.unreachable(&url("https://s.example/b")), None);
    }
}
