//! Finds the credentials that `podman login`, `docker login` and similar programs stored for a repository.
//!
//! The files are those of containers-auth.json(5) and Docker's `config.json`. A key is a registry, a registry with the beginning
//! of a path, or the address of an API (`https://host/v1/`); the longest path that fits wins. docker_credential reads the entry
//! that was chosen and asks the helper programs; it knows no paths and takes any key of a host for any other, so that the
//! choice is made here.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

/// A file that may hold credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the operator names this very file, so that it must be there.
    pub is_named: bool,
}

/// A credential, and the file that it comes from.
pub(super) struct StoredCredential {
    pub(super) credential: DockerCredential,
    pub(super) file: PathBuf,
}

/// The credentials for one registry.
pub(super) struct Credentials {
    registry: String,
    files: Vec<AuthFile>,
    asked: Mutex<Asked>,
}

/// What entries gave, by file and key: helpers are programs, and each is asked once.
type Asked = HashMap<(PathBuf, String), Option<Arc<StoredCredential>>>;

impl Credentials {
    pub(super) fn new(registry: String, files: Vec<AuthFile>) -> Self {
        Self { registry, files, asked: Mutex::default() }
    }

    /// What the first file that has something for a repository has for it.
    ///
    /// # Errors
    /// A file that cannot be read or a helper that fails, and what to do about it.
    pub(super) async fn for_repository(
        &self,
        repository: &str,
    ) -> Result<Option<Arc<StoredCredential>>, String> {
        let mut asked = self.asked.lock().await;
        for file in &self.files {
            let Some(entry) = Entry::find(file, &self.registry, repository)? else { continue };
            let key = (file.path.clone(), entry.server.clone());
            let found = match asked.get(&key) {
                Some(found) => found.clone(),
                None => {
                    let credential = entry.ask(file.path.clone()).await?;
                    let file = file.path.clone();
                    let found = credential.map(|credential| Arc::new(StoredCredential { credential, file }));
                    asked.insert(key, found.clone());
                    found
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What to do if there are none.
    pub(super) fn hint(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|file| file.path.display().to_string()).collect();
        let registry = if is_hub(&self.registry) { "docker.io" } else { &self.registry };
        format!(
            "there are no credentials for it in {}: log in with podman login {registry}, docker login or oras login",
            files.join(", ")
        )
    }
}

/// What one file has for a repository.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// What the registry is called there, and what a helper is asked for.
    server: String,
    /// The helper's name.
    helper: Option<String>,
    /// A file that has this entry alone.
    document: Value,
}

impl Entry {
    fn find(file: &AuthFile, registry: &str, repository: &str) -> Result<Option<Self>, String> {
        let path = file.path.display();
        let bytes = match std::fs::read(&file.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_named => return Ok(None),
            Err(error) => {
                return Err(format!(
                    "{path}: {error}: make it readable for this user, or name another file with REGISTRY_AUTH_FILE"
                ));
            }
        };
        // a logout may leave an empty file
        if bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(document)) => Ok(Self::choose(&document, registry, repository)),
            Ok(_) => Err(format!("{path}: not a JSON object; remove the file and log in again")),
            Err(error) => Err(format!("{path}: {error}; correct the file, or remove it and log in again")),
        }
    }

    /// A registry's helper first, as every client does; then what is written in the file; then the helper of all.
    fn choose(document: &Map<String, Value>, registry: &str, repository: &str) -> Option<Self> {
        let table = |member: &str| document.get(member).and_then(Value::as_object).into_iter().flatten();
        let helpers = table("credHelpers").filter_map(|(key, helper)| Some((key, helper.as_str()?)));
        let helpers = helpers.filter(|(_, helper)| !helper.is_empty());
        if let Some((key, helper)) = best(helpers, registry, repository) {
            return Some(Self::helped(key, helper));
        }
        let written = table("auths").filter_map(|(key, entry)| Some((key, filled(entry)?)));
        if let Some((key, entry)) = best(written, registry, repository) {
            let document = json!({ "auths": { key: entry } });
            return Some(Self { server: key.clone(), helper: None, document });
        }
        let helper =
            document.get("credsStore").and_then(Value::as_str).filter(|helper| !helper.is_empty())?;
        Some(Self::helped(if is_hub(registry) { HUB } else { registry }, helper))
    }

    fn helped(server: &str, helper: &str) -> Self {
        let document = json!({ "credHelpers": { server: helper } });
        Self { server: server.to_owned(), helper: Some(helper.to_owned()), document }
    }

    /// The credential; none if a helper has none. `file` is where the entry is from.
    async fn ask(self, file: PathBuf) -> Result<Option<DockerCredential>, String> {
        let silent = self.fault(&file, "does not answer");
        // helpers may ask a person or a keychain
        let work = tokio::task::spawn_blocking(move || self.ask_now(&file));
        match tokio::time::timeout(HELPER, work).await {
            Ok(Ok(answer)) => answer,
            _ => Err(silent),
        }
    }

    fn ask_now(&self, file: &Path) -> Result<Option<DockerCredential>, String> {
        let document = self.document.to_string();
        let what = match docker_credential::get_credential_from_reader(document.as_bytes(), &self.server) {
            Ok(credential) => return Ok(Some(credential)),
            // what every helper says of a server that it does not know
            Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
                if [&stdout, &stderr].iter().any(|text| text.contains("credentials not found")) =>
            {
                return Ok(None);
            }
            Err(CredentialRetrievalError::HelperCommunicationError) => "cannot be started or does not listen",
            Err(CredentialRetrievalError::MalformedHelperResponse) => "gives no user and secret",
            Err(CredentialRetrievalError::CredentialMismatchError) => {
                "names two different users or passwords"
            }
            Err(_) if self.helper.is_some() => "fails",
            Err(_) => "does not hold user and password in base64",
        };
        Err(self.fault(file, what))
    }

    /// What is said of an entry that is not right.
    fn fault(&self, file: &Path, what: &str) -> String {
        let (file, server) = (file.display(), &self.server);
        match &self.helper {
            Some(helper) => format!(
                "{file} names the helper docker-credential-{helper} for {server}, which {what}: install it where PATH leads, \
                 run it by hand (echo {server} | docker-credential-{helper} get), or log in without it"
            ),
            None => format!("{file}: the entry {server} {what}: log in again"),
        }
    }
}

/// The entry whose key fits best.
fn best<'a, T>(
    entries: impl Iterator<Item = (&'a String, T)>,
    registry: &str,
    repository: &str,
) -> Option<(&'a String, T)> {
    let ranked = entries.filter_map(|(key, value)| Some((rank(key, registry, repository)?, key, value)));
    ranked.max_by_key(|(rank, ..)| *rank).map(|(_, key, value)| (key, value))
}

/// How well a key fits a repository of a registry; none if it does not.
fn rank(key: &str, registry: &str, repository: &str) -> Option<usize> {
    let address = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = address.unwrap_or(key).split_once('/').unwrap_or((address.unwrap_or(key), ""));
    let path = path.trim_matches('/');
    // a registry is called here without the port of its scheme
    let bare = [":443", ":80"].iter().find_map(|port| host.strip_suffix(port)).unwrap_or(host);
    let is_registry = [host, bare].iter().any(|host| host.eq_ignore_ascii_case(registry));
    if !(is_registry || (is_hub(host) && is_hub(registry))) {
        return None;
    }
    let below = repository.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match path {
        "" => Some(if key == registry { 2 } else { 1 }),
        _ if below => Some(2 + path.len()),
        // docker login has kept addresses of an API, which say nothing of repositories
        _ if address.is_some() || matches!(path, "v1" | "v2") => Some(0),
        _ => None,
    }
}

/// An entry without members that say nothing; none if nothing is left, as where a helper has the secret.
fn filled(entry: &Value) -> Option<Value> {
    let members = entry.as_object()?.iter();
    let filled: Map<String, Value> = members
        .filter(|(_, value)| value.as_str().is_some_and(|text| !text.is_empty()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let says = ["auth", "identitytoken", "password"].iter().any(|name| filled.contains_key(*name));
    says.then_some(Value::Object(filled))
}

fn is_hub(registry: &str) -> bool {
    matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

/// What Docker Hub is called in every `config.json`.
const HUB: &str = "https://index.docker.io/v1/";

/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_fits_best_is_chosen() {
        let secret = json!({ "auth": "dTpw" });
        for (keys, registry, repository, expected) in [
            (&["r.example"][..], "r.example", "team/app", Some("r.example")),
            (&["r.example:5000"], "r.example", "team/app", None),
            (&["r.example", "r.example/team"], "r.example", "team/app", Some("r.example/team")),
            (&["r.example/team", "r.example/team/app"], "r.example", "team/app", Some("r.example/team/app")),
            (&["r.example/te", "r.example/team/app/x"], "r.example", "team/app", None),
            (
                &["https://r.example/team/", "r.example"],
                "r.example",
                "team/app",
                Some("https://r.example/team/"),
            ),
            (&["r.example/", "https://r.example/v1/"], "r.example", "team/app", Some("r.example/")),
            (&["r.example/", "r.example"], "r.example", "team/app", Some("r.example")),
            (&["https://r.example/v1/"], "r.example", "team/app", Some("https://r.example/v1/")),
            (&["r.example/v2/"], "r.example", "team/app", Some("r.example/v2/")),
            (&["http://r.example"], "r.example", "team/app", Some("http://r.example")),
            (&["r.example:443/team", "r.example:8443"], "r.example", "team/app", Some("r.example:443/team")),
            (&["https://r.example.evil/v1/"], "r.example", "team/app", None),
            (&["https://index.docker.io/v1/"], "registry-1.docker.io", "library/app", Some(HUB)),
            (
                &["docker.io", "docker.io/library"],
                "registry-1.docker.io",
                "library/app",
                Some("docker.io/library"),
            ),
        ] {
            let auths: Map<String, Value> =
                keys.iter().map(|&key| (key.to_owned(), secret.clone())).collect();
            let document = json!({ "auths": auths });
            let chosen = Entry::choose(document.as_object().unwrap(), registry, repository);
            assert_eq!(chosen.as_ref().map(|entry| entry.server.as_str()), expected, "{keys:?}");
        }
    }

    #[test]
    fn helpers_are_asked_in_the_order_of_every_client() {
        let choose = |document: Value, registry: &str| {
            let chosen = Entry::choose(document.as_object().unwrap(), registry, "app");
            chosen.map(|entry| (entry.server, entry.helper))
        };
        let document = json!({
            "auths": { "r.example": { "auth": "dTpw" }, "s.example": {}, "t.example": { "auth": "", "identitytoken": "" } },
            "credHelpers": { "r.example": "own", "s.example": "" }, "credsStore": "all" });
        let helped = |server: &str, helper: &str| Some((server.to_owned(), Some(helper.to_owned())));
        assert_eq!(choose(document.clone(), "r.example"), helped("r.example", "own"));
        assert_eq!(choose(document.clone(), "s.example"), helped("s.example", "all"));
        assert_eq!(choose(document.clone(), "t.example"), helped("t.example", "all"));
        assert_eq!(choose(document, "registry-1.docker.io"), helped(HUB, "all"));
        assert_eq!(choose(json!({ "auths": { "s.example": {} } }), "s.example"), None);
    }

    #[tokio::test]
    async fn the_first_file_that_has_something_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, is_named| AuthFile { path: folder.path().join(name), is_named };
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let of = async |files: &[AuthFile], registry: &str| {
            let found =
                Credentials::new(registry.to_owned(), files.to_vec()).for_repository("team/app").await;
            found.map(|found| found.map(|found| format!("{:?}", found.credential))).map_err(drop)
        };
        let both = [file("first", false), file("second", false)];
        assert_eq!(of(&both, "r.example").await, Ok(None));
        write("first", " ");
        write(
            "second",
            r#"{"auths":{"r.example":{"auth":"dTpw"},"id.example":{"auth":"dTo=","identitytoken":"t"},
               "bad.example":{"auth":"%"}},"credHelpers":{"help.example":"absent-helper"}}"#,
        );
        assert_eq!(of(&both, "r.example").await, Ok(Some("UsernamePassword(\"u\", \"p\")".to_owned())));
        assert_eq!(of(&both, "id.example").await, Ok(Some("IdentityToken(\"t\")".to_owned())));
        assert_eq!(of(&both, "other.example").await, Ok(None));
        for registry in ["bad.example", "help.example"] {
            assert_eq!(of(&both, registry).await, Err(()), "{registry}");
        }
        write("first", r#"{"auths":{"r.example/team":{"username":"v","password":"q"}}}"#);
        assert_eq!(of(&both, "r.example").await, Ok(Some("UsernamePassword(\"v\", \"q\")".to_owned())));
        for text in ["{", "[]"] {
            write("first", text);
            assert_eq!(of(&both, "r.example").await, Err(()), "{text}");
        }
        assert_eq!(of(&[file("absent", true)], "r.example").await, Err(()));
    }
}
