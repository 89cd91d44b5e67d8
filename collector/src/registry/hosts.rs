//! Decides where a registry is asked: at itself, at `--from`, or at the hosts of containerd's `hosts.toml`.
//!
//! containerd, docs/hosts.md: the hosts in the file's order, then `server`; a mirror is told in `ns` whom it stands for; a folder
//! without the file may hold authorities as `.crt`. Every key is followed or refused, none is ignored: refused are what
//! would weaken TLS (`skip_verify`), client certificates, and keys that are not known here. A mirror may be asked without
//! TLS, as its URL says; that it gets credentials or headers so, `--plain-http` alone can say.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_verifier::oci::Repository;
use reqwest::Url;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use toml::{Table, Value};

use super::options::Options;
use super::tls::{self, Authority};
use super::urls::{authority, is_named};

/// A host to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegistryHost {
    /// Everything before the repository's name.
    base: Url,
    /// What stands before the name there.
    prefix: String,
    /// Whether credentials may be sent there: it has TLS, or the operator named it as one without.
    takes_credentials: bool,
    /// The registry that a mirror stands for, if the mirror is told.
    stands_for: Option<String>,
    /// Whether tags are believed.
    pub(super) resolves: bool,
    /// Whether content is asked for.
    pub(super) pulls: bool,
    /// Certificates that are trusted there.
    pub(super) authorities: Vec<Authority>,
    /// What is sent there beside the request, and nowhere else.
    pub(super) headers: HeaderMap,
    /// How long a connection may take, if the file says so.
    pub(super) connect: Option<Duration>,
}

/// Where a registry cannot be asked as it was said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HostsError {
    /// It is not a registry.
    #[error("{text:?}: a registry is host, host:port or either with a path")]
    Registry {
        /// What was given.
        text: String,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("{}: is not TOML", path.display())]
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

impl RegistryHost {
    /// Every host that answers for `registry`, in order.
    pub(super) fn all(registry: &str, options: &Options) -> Result<Vec<Self>, HostsError> {
        if let Some(from) = &options.from {
            let from = from.trim_end_matches('/');
            let (host, prefix) = from.split_once('/').unwrap_or((from, ""));
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            return Ok(vec![Self { prefix, ..Self::of_registry(host, options)? }]);
        }
        let own = Self::of_registry(registry, options)?;
        let Some(folder) = &options.hosts else { return Ok(vec![own]) };
        let is_absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        for folder in folder_names(registry).map(|name| folder.join(name)) {
            match std::fs::metadata(&folder) {
                Ok(_) => {}
                Err(error) if is_absent(&error) => continue,
                Err(source) => return Err(HostsError::Unreadable { path: folder, source }),
            }
            let path = folder.join("hosts.toml");
            return match std::fs::read_to_string(&path) {
                Ok(text) => {
                    HostsFile { path: &path, registry, own, plain_http: &options.plain_http }.hosts(&text)
                }
                Err(error) if is_absent(&error) => {
                    Ok(vec![Self { authorities: authorities_of_folder(&folder)?, ..own }])
                }
                Err(source) => Err(HostsError::Unreadable { path, source }),
            };
        }
        Ok(vec![own])
    }

    fn of_registry(registry: &str, options: &Options) -> Result<Self, HostsError> {
        // what images call it, and where it is
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let [http, https] =
            ["http", "https"].map(|scheme| Url::parse(&format!("{scheme}://{host}/v2/")).ok());
        // a name may have the port of either scheme, or leave it out
        let names = &options.plain_http;
        let is_plain =
            names.contains(registry) || [&http, &https].into_iter().flatten().any(|url| is_named(url, names));
        let base = if is_plain { http } else { https };
        let base = base.filter(|url| url.path() == "/v2/" && url.username().is_empty());
        Ok(Self {
            base: base.ok_or_else(|| HostsError::Registry { text: registry.to_owned() })?,
            prefix: String::new(),
            takes_credentials: true,
            stands_for: None,
            resolves: true,
            pulls: true,
            authorities: Vec::new(),
            headers: HeaderMap::new(),
            connect: None,
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
    pub(super) fn is_at(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }

    /// Where it is, if credentials would go there in clear and the operator did not allow that.
    pub(super) fn in_clear(&self) -> Option<&Url> {
        (!self.takes_credentials).then_some(&self.base)
    }
}

/// The registry of a repository, and the rest of its name.
pub(super) fn split(repository: &Repository) -> (&str, &str) {
    // every repository has both
    repository.as_str().split_once('/').unwrap_or((repository.as_str(), ""))
}

/// The names that the folder of a registry may have, in containerd's order.
fn folder_names(registry: &str) -> [String; 3] {
    let with_port = registry.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
    // Windows has no colons in names
    let plain = if cfg!(windows) { registry.replace(':', "") } else { registry.to_owned() };
    [with_port.unwrap_or_else(|| plain.clone()), plain, "_default".to_owned()]
}

/// The authorities of a folder without a `hosts.toml`: Docker's "certificate file pattern".
fn authorities_of_folder(folder: &Path) -> Result<Vec<Authority>, HostsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| HostsError::Unreadable { path, source }
    };
    let mut authorities = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => authorities.extend(tls::authorities(&path).map_err(unreadable(&path))?),
            Some("cert") => {
                return Err(HostsError::Unsupported { path, what: NO_CLIENT_CERTIFICATES.to_owned() });
            }
            _ => {}
        }
    }
    Ok(authorities)
}

/// A `hosts.toml`, and whom it is about.
struct HostsFile<'a> {
    path: &'a Path,
    registry: &'a str,
    /// Where the registry is if the file does not say it.
    own: RegistryHost,
    plain_http: &'a BTreeSet<String>,
}

impl HostsFile<'_> {
    /// The hosts that it names, in order.
    fn hosts(&self, text: &str) -> Result<Vec<RegistryHost>, HostsError> {
        let mut rest: Table = toml::from_str(text)
            .map_err(|source| HostsError::Toml { path: self.path.to_owned(), source: Box::new(source) })?;
        let mut hosts = Vec::new();
        let mut server = self.own.clone();
        match rest.remove("host") {
            None => {}
            Some(Value::Table(tables)) => {
                for (url, keys) in tables {
                    let Value::Table(keys) = keys else {
                        return Err(self.unsupported(format!("host {url:?} is not a table")));
                    };
                    hosts.push(self.host(&url, &keys)?);
                }
            }
            Some(_) => return Err(self.unsupported("host is not a table".to_owned())),
        }
        match rest.remove("server") {
            None => self.set(&mut server, &rest)?,
            Some(Value::String(url)) => server = self.host(&url, &rest)?,
            Some(_) => return Err(self.unsupported("server is not a text".to_owned())),
        }
        hosts.push(server);
        Ok(hosts)
    }

    fn host(&self, url: &str, table: &Table) -> Result<RegistryHost, HostsError> {
        let full = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        let is_plain = |base: &Url| {
            matches!(base.scheme(), "https" | "http")
                && base.host_str().is_some()
                && (base.query(), base.fragment(), base.username(), base.password()) == (None, None, "", None)
        };
        let mut base = Url::parse(&full).ok().filter(is_plain).ok_or_else(|| {
            self.unsupported(format!(
                "{url:?}: write https://host, a port and a path if need be, and nothing else"
            ))
        })?;
        let folder = base.path().trim_end_matches('/').to_owned();
        let is_whole = folder.ends_with("/v2") || table.get("override_path") == Some(&Value::Boolean(true));
        base.set_path(&if is_whole { format!("{folder}/") } else { format!("{folder}/v2/") });
        let mut host = RegistryHost {
            takes_credentials: base.scheme() == "https" || is_named(&base, self.plain_http),
            stands_for: (authority(&base) != authority(&self.own.base)).then(|| self.registry.to_owned()),
            base,
            ..self.own.clone()
        };
        self.set(&mut host, table)?;
        Ok(host)
    }

    /// Sets what the keys of one host say.
    fn set(&self, host: &mut RegistryHost, table: &Table) -> Result<(), HostsError> {
        let name = host.registry();
        for (key, value) in table {
            let refused = |what: &str| self.unsupported(format!("{name}: {key}: {what}"));
            match (key.as_str(), value) {
                ("override_path" | "skip_verify", Value::Boolean(false))
                | ("override_path", Value::Boolean(true)) => {}
                ("skip_verify", Value::Boolean(true)) => {
                    return Err(refused(
                        "certificates are always verified here; name the authority's in ca instead",
                    ));
                }
                ("client", _) => return Err(refused(NO_CLIENT_CERTIFICATES)),
                ("capabilities", Value::Array(list)) => {
                    let named: Option<BTreeSet<String>> =
                        list.iter().map(|one| one.as_str().map(str::to_ascii_lowercase)).collect();
                    let known = ["pull", "resolve", "push"];
                    let named = named.filter(|named| named.iter().all(|one| known.contains(&one.as_str())));
                    let named =
                        named.ok_or_else(|| refused("write a list of \"pull\", \"resolve\" and \"push\""))?;
                    // as containerd has it, no list and an empty one are the same
                    let has = |one: &str| named.is_empty() || named.contains(one);
                    (host.resolves, host.pulls) = (has("resolve"), has("pull"));
                }
                ("ca", Value::String(file)) => host.authorities = self.authorities(file)?,
                ("ca", Value::Array(files)) => {
                    let files: Option<Vec<&str>> = files.iter().map(Value::as_str).collect();
                    let files = files.ok_or_else(|| refused("write a file or a list of files"))?;
                    for file in files {
                        host.authorities.extend(self.authorities(file)?);
                    }
                }
                ("header", Value::Table(headers)) => {
                    host.headers = fields(headers).map_err(|what| refused(&what))?;
                    if !host.takes_credentials && !host.headers.is_empty() {
                        let what = format!(
                            "headers, which may be secrets, do not go without TLS: write https, or allow it with \
                             --plain-http {name}"
                        );
                        return Err(refused(&what));
                    }
                }
                ("dial_timeout", Value::String(text)) => {
                    let timeout = duration(text)
                        .ok_or_else(|| refused("write a duration such as \"5s\" or \"1m30s\""))?;
                    host.connect = Some(timeout).filter(|timeout| !timeout.is_zero());
                }
                ("override_path" | "skip_verify" | "capabilities" | "ca" | "header" | "dial_timeout", _) => {
                    return Err(refused("not a value that containerd reads there"));
                }
                _ => {
                    return Err(refused(
                        "this key is not followed here; take it out of a copy of the folder",
                    ));
                }
            }
        }
        Ok(())
    }

    /// The certificates of a file, which is beside the `hosts.toml` if its path is not absolute.
    fn authorities(&self, name: &str) -> Result<Vec<Authority>, HostsError> {
        let path = self.path.parent().unwrap_or(Path::new("")).join(name);
        tls::authorities(&path).map_err(|source| HostsError::Unreadable { path, source })
    }

    fn unsupported(&self, what: String) -> HostsError {
        HostsError::Unsupported { path: self.path.to_owned(), what }
    }
}

/// The fields of a table of headers: a name has a text or several.
fn fields(table: &Table) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in table {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name:?} is not a header's name"))?;
        if OWN_HEADERS.contains(&header) {
            return Err(format!("{name} is this program's to say"));
        }
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let value = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
            let mut value =
                value.ok_or_else(|| format!("{name} has a value that is not the text of a header"))?;
            value.set_sensitive(true);
            headers.append(&header, value);
        }
    }
    Ok(headers)
}

/// A duration as Go writes it: numbers with units, one after the other.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut seconds = None;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c| !is_number(c))?);
        let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds = Some(number.parse::<f64>().ok()?.mul_add(unit, seconds.unwrap_or_default()));
        rest = after;
    }
    Duration::try_from_secs_f64(seconds?).ok()
}

/// What a request says of itself.
const OWN_HEADERS: [HeaderName; 9] = [
    header::ACCEPT,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What is said of client certificates.
const NO_CLIENT_CERTIFICATES: &str =
    "client certificates are not supported; fetch from a registry that takes a password or a token";

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(options: &Options, image: &str) -> Vec<String> {
        let repository: Repository = image.parse().unwrap();
        let hosts = RegistryHost::all(split(&repository).0, options).unwrap();
        hosts.iter().map(|host| host.url(&repository, "manifests", "v1").to_string()).collect()
    }

    #[test]
    fn a_registry_is_where_its_name_says() {
        let plain = Options { plain_http: ["localhost:5000".to_owned()].into(), ..Options::default() };
        assert_eq!(urls(&plain, "r.example/team/app"), ["https://r.example/v2/team/app/manifests/v1"]);
        assert_eq!(urls(&plain, "localhost:5000/app"), ["http://localhost:5000/v2/app/manifests/v1"]);
        for (name, image) in [
            ("s.example", "s.example:80/app"),
            ("s.example:80", "s.example/app"),
            ("s.example:80", "s.example:80/app"),
        ] {
            let plain = Options { plain_http: [name.to_owned()].into(), ..Options::default() };
            assert_eq!(urls(&plain, image), ["http://s.example/v2/app/manifests/v1"], "{name}");
        }
        let hub = "https://registry-1.docker.io/v2/library/app/manifests/v1";
        assert_eq!(urls(&plain, "docker.io/library/app"), [hub]);
        let from = Options { from: Some("mirror.example:8443/cache/".to_owned()), ..Options::default() };
        let there = "https://mirror.example:8443/v2/cache/team/app/manifests/v1";
        assert_eq!(urls(&from, "r.example/team/app"), [there]);
        let wrong = Options { from: Some("user@host".to_owned()), ..Options::default() };
        assert!(RegistryHost::all("r.example", &wrong).is_err());
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
        let hosts = RegistryHost::all("r.example", &options).unwrap();
        assert_eq!(hosts.iter().map(|host| host.resolves).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(urls(&options, "other.example/app").len(), 1);
        for bad in [
            "[host.\"https://x\"]\nskip_verify = true",
            "skip_verify = true",
            "client = \"x.pem\"",
            "[host.\"ftp://x\"]",
            "[host.\"https://u:p@x\"]",
            "[host.\"https://x?y\"]",
            "[host",
            "host = 1",
            "server = 1",
            "ca = \"absent\"",
            "ca = 1",
            "capabilities = [\"fly\"]",
            "capabilities = \"pull\"",
            "dial_timeout = \"5\"",
            "dial_timeout = \"-5s\"",
            "proxy = \"http://x\"",
            "[host.\"https://x\".rewrite]\n\"a\" = \"b\"",
            "[host.\"http://x\".header]\nx-token = \"secret\"",
            "[header]\nhost = \"y\"",
            "[header]\nx-token = 1",
            "[header]\n\"x token\" = \"y\"",
        ] {
            write("bad.example", bad);
            assert!(RegistryHost::all("bad.example", &options).is_err(), "{bad}");
        }
        write(
            "good.example",
            "server = \"good.example/v2/\"\ncapabilities = []\nskip_verify = false\ndial_timeout = \"1m1.5s\"\n[header]\nx-token = [\"a\", \"b\"]",
        );
        let good = RegistryHost::all("good.example", &options).unwrap();
        assert_eq!(urls(&options, "good.example/app"), ["https://good.example/v2/app/manifests/v1"]);
        assert!(good[0].resolves && good[0].pulls);
        assert_eq!(good[0].connect, Some(Duration::from_millis(61_500)));
        assert_eq!(good[0].headers.get_all("X-Token").iter().count(), 2);
    }

    #[test]
    fn a_folder_is_found_as_containerd_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, file: &str, text: &str| {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join(file), text).unwrap();
        };
        let options = Options { hosts: Some(folder.path().to_owned()), ..Options::default() };
        write("_default", "hosts.toml", "server = \"https://default.example\"");
        let url = |registry: &str| {
            let hosts = RegistryHost::all(registry, &options).unwrap();
            hosts.iter().map(RegistryHost::registry).collect::<Vec<_>>()
        };
        assert_eq!(url("r.example:5000"), ["default.example"]);
        let [_, plain, _] = folder_names("r.example:5000");
        write(&plain, "hosts.toml", "server = \"https://colon.example\"");
        assert_eq!(url("r.example:5000"), ["colon.example"]);
        write("r.example_5000_", "hosts.toml", "server = \"https://line.example\"");
        assert_eq!(url("r.example:5000"), ["line.example"]);
        write("s.example", "notes.txt", "");
        assert_eq!(url("s.example"), ["s.example"]);
        for (registry, file) in [("t.example", "client.cert"), ("u.example", "ca.crt")] {
            write(registry, file, "not a certificate");
            assert!(RegistryHost::all(registry, &options).is_err(), "{file}");
        }
    }
}
