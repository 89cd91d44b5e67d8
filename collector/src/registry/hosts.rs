//! Where a registry is asked: itself, `--from`, or what containerd's `hosts.toml` says of it.
//!
//! containerd, docs/hosts.md: the hosts in the file's order, then `server`; a mirror is told in `ns` whom it stands for.
//! What would weaken TLS (`skip_verify`) and client certificates are refused rather than passed over. A mirror may be asked
//! without TLS, as its URL says; that it gets credentials so, `--plain-http` alone can say.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use assay_shared::oci::Repository;
use reqwest::Url;

use super::{Options, split};

/// A place to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Everything before the repository's name.
    base: Url,
    /// What stands before the name there.
    prefix: String,
    /// Whether credentials may be sent there: it has TLS, or the operator named it as one without.
    takes_credentials: bool,
    /// The registry that it stands for, where it is a mirror that is told.
    stands_for: Option<String>,
    /// Whether tags are believed.
    pub(super) resolves: bool,
    /// Whether content is asked for.
    pub(super) pulls: bool,
    /// Certificates in PEM that are trusted there.
    pub(super) authorities: Vec<Vec<u8>>,
}

/// Where a registry cannot be asked as it was said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// It is no registry.
    #[error("{text:?}: a registry is host, host:port or either with a path")]
    Registry {
        /// What was given.
        text: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// It says something that is not followed here.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
    },
}

impl Place {
    /// Every place that answers for `registry`, in order.
    pub(super) fn all(registry: &str, options: &Options) -> Result<Vec<Self>, HostsError> {
        if let Some(from) = &options.from {
            let from = from.trim_end_matches('/');
            let (host, prefix) = from.split_once('/').unwrap_or((from, ""));
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            return Ok(vec![Self { prefix, ..Self::of_registry(host, options)? }]);
        }
        let own = Self::of_registry(registry, options)?;
        let Some(folder) = &options.hosts else { return Ok(vec![own]) };
        let names = [registry.to_owned(), format!("{}_", registry.replace(':', "_")), "_default".to_owned()];
        for name in names {
            let path = folder.join(name).join("hosts.toml");
            match std::fs::read_to_string(&path) {
                Ok(text) => return read(&path, &text, registry, &own, &options.plain_http),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(HostsError::Unreadable { path, source }),
            }
        }
        Ok(vec![own])
    }

    fn of_registry(registry: &str, options: &Options) -> Result<Self, HostsError> {
        let scheme = if options.plain_http.contains(registry) { "http" } else { "https" };
        // what images call it, and where it is
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let base = Url::parse(&format!("{scheme}://{host}/v2/")).ok();
        let base = base.filter(|url| url.path() == "/v2/" && url.username().is_empty());
        Ok(Self {
            base: base.ok_or_else(|| HostsError::Registry { text: registry.to_owned() })?,
            prefix: String::new(),
            takes_credentials: true,
            stands_for: None,
            resolves: true,
            pulls: true,
            authorities: Vec::new(),
        })
    }

    /// Where something of a repository is.
    pub(super) fn url(&self, repository: &Repository, kind: &str, reference: &str) -> Url {
        let mut url = self.base.clone();
        // names, tags and digests have no letters that a path could not hold
        url.set_path(&format!("{}{}/{kind}/{reference}", self.base.path(), self.repository(repository)));
        if let Some(registry) = &self.stands_for {
            url.query_pairs_mut().append_pair("ns", registry);
        }
        url
    }

    /// The name of a repository there.
    pub(super) fn repository(&self, repository: &Repository) -> String {
        format!("{}{}", self.prefix, split(repository).1)
    }

    /// The name that a repository has on that server, whatever part of it the API's own path holds.
    pub(super) fn full_name(&self, repository: &Repository) -> String {
        let path = self.base.path().split('/').filter(|part| !part.is_empty() && *part != "v2");
        let name = self.repository(repository);
        path.chain([name.as_str()]).collect::<Vec<_>>().join("/")
    }

    /// `host` or `host:port`.
    pub(super) fn registry(&self) -> String {
        authority(&self.base)
    }

    /// Whether a URL is one of this server, and not of one that it leads to.
    pub(super) fn is(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }

    /// Where it is, if credentials would go there in clear and nobody said that they may.
    pub(super) fn in_clear(&self) -> Option<&Url> {
        (!self.takes_credentials).then_some(&self.base)
    }
}

/// Host and port of a URL as `--plain-http` names them: without the port if it is the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a URL's host is among these names, with its port or, if that is the scheme's own, without.
pub(super) fn is_named(url: &Url, names: &BTreeSet<String>) -> bool {
    let full =
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let own = [authority(url), full];
    names.iter().any(|name| own.iter().any(|own| own.eq_ignore_ascii_case(name)))
}

/// The places that a `hosts.toml` names.
fn read(
    path: &Path,
    text: &str,
    registry: &str,
    own: &Place,
    plain_http: &BTreeSet<String>,
) -> Result<Vec<Place>, HostsError> {
    let unsupported = |what: String| HostsError::Unsupported { path: path.to_owned(), what };
    let table: toml::Table = toml::from_str(text)
        .map_err(|source| HostsError::Toml { path: path.to_owned(), source: Box::new(source) })?;
    let mut places = Vec::new();
    for (url, host) in table.get("host").and_then(toml::Value::as_table).into_iter().flatten() {
        let host = host.as_table().ok_or_else(|| unsupported(format!("host {url:?} is no table")))?;
        places.push(place(path, url, host, Some(registry), plain_http)?);
    }
    let mut server = match table.get("server") {
        None => own.clone(),
        Some(server) => {
            let server = server.as_str().ok_or_else(|| unsupported("server is no text".to_owned()))?;
            let same = Url::parse(server).is_ok_and(|url| url.host_str() == own.base.host_str());
            place(path, server, &table, Some(registry).filter(|_| !same), plain_http)?
        }
    };
    if table.get("server").is_none() {
        server.authorities = authorities(path, &table)?;
    }
    places.push(server);
    Ok(places)
}

fn place(
    path: &Path,
    url: &str,
    table: &toml::Table,
    stands_for: Option<&str>,
    plain_http: &BTreeSet<String>,
) -> Result<Place, HostsError> {
    let unsupported = |what: String| HostsError::Unsupported { path: path.to_owned(), what };
    let full = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
    let mut base = Url::parse(&full)
        .ok()
        .filter(|base| matches!(base.scheme(), "https" | "http") && base.host_str().is_some())
        .ok_or_else(|| unsupported(format!("{url:?} is no URL of a host")))?;
    if table.get("skip_verify").and_then(toml::Value::as_bool) == Some(true) {
        return Err(unsupported(format!("{url}: skip_verify is not followed; name its CA in ca")));
    }
    if table.contains_key("client") {
        return Err(unsupported(format!("{url}: client certificates are not supported")));
    }
    let overrides = table.get("override_path").and_then(toml::Value::as_bool) == Some(true);
    let folder = base.path().trim_end_matches('/').to_owned();
    base.set_path(&if overrides { format!("{folder}/") } else { format!("{folder}/v2/") });
    let has = |capability: &str| match table.get("capabilities") {
        None => true,
        Some(list) => {
            list.as_array().is_some_and(|list| list.iter().any(|one| one.as_str() == Some(capability)))
        }
    };
    Ok(Place {
        takes_credentials: base.scheme() == "https" || is_named(&base, plain_http),
        base,
        prefix: String::new(),
        stands_for: stands_for.map(str::to_owned),
        resolves: has("resolve"),
        pulls: has("pull"),
        authorities: authorities(path, table)?,
    })
}

/// The files that `ca` names, beside the `hosts.toml` where they are not absolute.
fn authorities(path: &Path, table: &toml::Table) -> Result<Vec<Vec<u8>>, HostsError> {
    let named: Vec<&str> = match table.get("ca") {
        None => Vec::new(),
        Some(toml::Value::String(file)) => vec![file],
        Some(toml::Value::Array(files)) => files.iter().filter_map(toml::Value::as_str).collect(),
        Some(_) => {
            let what = "ca is neither a file nor a list of files".to_owned();
            return Err(HostsError::Unsupported { path: path.to_owned(), what });
        }
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |file: &str| {
        let file = folder.join(file);
        std::fs::read(&file).map_err(|source| HostsError::Unreadable { path: file, source })
    };
    named.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(options: &Options, image: &str) -> Vec<String> {
        let repository: Repository = image.parse().unwrap();
        let places = Place::all(split(&repository).0, options).unwrap();
        places.iter().map(|place| place.url(&repository, "manifests", "v1").to_string()).collect()
    }

    #[test]
    fn a_registry_is_where_its_name_says() {
        let plain = Options { plain_http: ["localhost:5000".to_owned()].into(), ..Options::default() };
        assert_eq!(urls(&plain, "r.example/team/app"), ["https://r.example/v2/team/app/manifests/v1"]);
        assert_eq!(urls(&plain, "localhost:5000/app"), ["http://localhost:5000/v2/app/manifests/v1"]);
        let hub = "https://registry-1.docker.io/v2/library/app/manifests/v1";
        assert_eq!(urls(&plain, "docker.io/library/app"), [hub]);
        let from = Options { from: Some("mirror.example:8443/cache/".to_owned()), ..Options::default() };
        let there = "https://mirror.example:8443/v2/cache/team/app/manifests/v1";
        assert_eq!(urls(&from, "r.example/team/app"), [there]);
        let wrong = Options { from: Some("user@host".to_owned()), ..Options::default() };
        assert!(Place::all("r.example", &wrong).is_err());
    }

    #[test]
    fn hosts_are_asked_in_the_order_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("hosts.toml"), text).unwrap();
        };
        write(
            "r.example",
            r#"
            server = "https://r.example"
            [host."https://z.example"]
              capabilities = ["pull"]
            [host."http://a.example:5000/v2/r-example"]
              capabilities = ["pull", "resolve"]
              override_path = true
            "#,
        );
        let options = Options { hosts: Some(folder.path().to_owned()), ..Options::default() };
        assert_eq!(
            urls(&options, "r.example/app"),
            [
                "https://z.example/v2/app/manifests/v1?ns=r.example",
                "http://a.example:5000/v2/r-example/app/manifests/v1?ns=r.example",
                "https://r.example/v2/app/manifests/v1",
            ]
        );
        let places = Place::all("r.example", &options).unwrap();
        assert_eq!(places.iter().map(|place| place.resolves).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(urls(&options, "other.example/app").len(), 1);
        for bad in
            ["[host.\"https://x\"]\nskip_verify = true", "[host.\"ftp://x\"]", "[host", "ca = \"absent\""]
        {
            write("bad.example", bad);
            assert!(Place::all("bad.example", &options).is_err(), "{bad}");
        }
    }
}
