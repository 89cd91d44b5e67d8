//! Starts registries: Debian's, which knows the fallback tag alone, and one with the referrers API; finds oras, which
//! fills them; and serves a layout as a registry, for what real ones do not do.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_fixtures::layout::Layout;
use assay_verifier::oci::{Digest, Manifest, media_type};
use serde_json::json;
use tempfile::TempDir;

use crate::http::{Answer, Request};
use crate::packages;
use crate::sshd::free_port;

/// How long a registry may take to answer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running registry. Dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    daemon: Child,
    folder: TempDir,
}

impl Registry {
    /// Debian's registry, on plain HTTP and for everybody; `more` is added to its configuration.
    ///
    /// # Panics
    /// If it is not installed or does not answer.
    pub fn debian(more: &str) -> Self {
        let program = packages::program("docker-registry", "docker-registry");
        Self::start(|folder, port| {
            let config = folder.join("config.yml");
            let text = format!(
                "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}/data}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
                folder.display()
            );
            fs::write(&config, text).expect("scratch folder");
            let mut command = Command::new(&program);
            command.arg("serve").arg(config);
            command
        })
    }

    /// A registry with the referrers API; `None`, after saying so, if it is not there.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn with_referrers() -> Option<Self> {
        let program = packages::go_program("REFERRERS_REGISTRY", "referrers-registry")?;
        Some(Self::start(|_, port| {
            let mut command = Command::new(&program);
            command.arg("-address").arg(format!("127.0.0.1:{port}"));
            command
        }))
    }

    fn start(command: impl Fn(&Path, u16) -> Command) -> Self {
        let folder = tempfile::Builder::new().prefix("assay-registry-").tempdir().expect("scratch folder");
        // Another program may take the port before the registry does. Then try another port.
        for _ in 0..5 {
            let port = free_port();
            let mut command = command(folder.path(), port);
            let log = fs::File::create(folder.path().join("log")).expect("scratch folder");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut daemon = command.spawn().expect("the registry starts");
            let patience = Instant::now();
            while patience.elapsed() < PATIENCE && daemon.try_wait().ok().flatten().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { port, daemon, folder };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        panic!("no answer:\n{}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    /// Where Debian's registry keeps what it holds.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// `127.0.0.1:port`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The oras program; `None`, after saying so, if it is not there.
pub fn oras() -> Option<PathBuf> {
    packages::go_program("ORAS", "oras")
}

/// crane before 0.22.1; `None`, after saying so, if it is not there.
pub fn crane_old() -> Option<PathBuf> {
    packages::go_program("CRANE_OLD", "crane-0.21")
}

/// What a registry answers that holds `layout` under every name: manifests by digest and tag `v1`, which is `root`, blobs,
/// and the referrers API in pages of `page`.
pub fn answer(layout: &Layout, root: &Digest, page: usize, request: &Request) -> Answer {
    let parts: Vec<&str> = request.path.split('/').collect();
    let [.., kind, reference] = parts[..] else { return Answer::new(404, "") };
    let digest: Option<Digest> = if reference == "v1" { Some(root.clone()) } else { reference.parse().ok() };
    let Some(digest) = digest else { return Answer::new(404, "") };
    let known = layout.digests().contains(&digest);
    match kind {
        "manifests" if known => {
            let bytes = layout.blob(&digest).to_vec();
            let said = Manifest::parse(&bytes).ok().and_then(|manifest| manifest.media_type);
            let said = said.unwrap_or_else(|| media_type::OCI_MANIFEST.to_owned());
            Answer::new(200, bytes).with("Content-Type", said)
        }
        "blobs" if known => Answer::new(200, layout.blob(&digest)),
        "referrers" => referrers(layout, &digest, page, request),
        _ => Answer::new(404, ""),
    }
}

fn referrers(layout: &Layout, subject: &Digest, page: usize, request: &Request) -> Answer {
    let mut entries = Vec::new();
    for digest in layout.digests() {
        let Ok(manifest) = Manifest::parse(layout.blob(&digest)) else { continue };
        if manifest.subject.is_some_and(|of| of.digest == *subject) {
            // The filter is left out, which registries may do.
            let artifact = manifest.artifact_type.or(manifest.config.map(|config| config.media_type));
            entries.push(json!({
                "mediaType": media_type::OCI_MANIFEST, "digest": digest, "size": layout.blob(&digest).len(),
                "artifactType": artifact,
            }));
        }
    }
    let last = request.query.split('&').find_map(|part| part.strip_prefix("last="));
    let begin = last.and_then(|last| last.parse().ok()).unwrap_or(0);
    let end = entries.len().min(begin + page);
    let index =
        json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries[begin..end] });
    let answer = Answer::new(200, index.to_string()).with("Content-Type", media_type::OCI_INDEX);
    if end == entries.len() {
        return answer;
    }
    answer.with("Link", format!("<{}?last={end}>; rel=\"next\"", request.path))
}
