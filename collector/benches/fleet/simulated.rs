//! Nodes that are simulated: an SSH server on as many ports as there are to be nodes, all in one process. It speaks SSH for real
//! and answers the collector's commands as a node would that has everything in order, without doing any of it.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use assay_verifier::oci::Digest;
use russh::keys::{PrivateKey, load_secret_key};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The argument that makes this program the server.
pub(crate) const ROLE: &str = "simulated-nodes";

/// How long an agent seems to work.
const WORK: Duration = Duration::from_secs(1);

/// What nodes know of what they are sent.
struct Site {
    agent: String,
    policy: String,
    images: usize,
}

/// Serves: `NODES IMAGES HOST-KEY AGENT POLICY`. The ports are printed, one a line, and then an empty line.
pub(crate) fn serve(arguments: &[String]) -> ExitCode {
    let [nodes, images, host_key, agent, policy] = arguments else { return ExitCode::FAILURE };
    let hash = |path: &str| Digest::sha256(&std::fs::read(path).expect("a file")).hex().to_owned();
    let images = images.parse().expect("a number");
    let site = Arc::new(Site { agent: hash(agent), policy: hash(policy), images });
    let key = load_secret_key(Path::new(host_key), None).expect("a key");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(async {
        for number in 0..nodes.parse().expect("a number") {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            println!("{}", listener.local_addr().expect("a port").port());
            tokio::spawn(node(listener, number, key.clone(), Arc::clone(&site)));
        }
        println!();
        std::io::stdout().flush().expect("a reader");
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

async fn node(listener: TcpListener, number: usize, key: PrivateKey, site: Arc<Site>) {
    let config = Arc::new(server::Config {
        keys: vec![key],
        auth_rejection_time: Duration::ZERO,
        nodelay: true,
        ..server::Config::default()
    });
    while let Ok((stream, _)) = listener.accept().await {
        let handler = Node { number, site: Arc::clone(&site), uploads: HashMap::new() };
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            if let Ok(session) = server::run_stream(config, stream, handler).await {
                // It ends when the collector hangs up.
                let _ = session.await;
            }
        });
    }
}

/// A connection to one node.
struct Node {
    number: usize,
    site: Arc<Site>,
    /// Bytes that came for an upload so far.
    uploads: HashMap<ChannelId, u64>,
}

impl server::Handler for Node {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        let command = String::from_utf8_lossy(command);
        if command.starts_with("echo assay-shell ") {
            answer(session, channel, b"assay-shell %OS%\n".to_vec(), 0)?;
        } else if command.contains("assay-uploaded") {
            self.uploads.insert(channel, 0);
        } else if command.contains("assay-node ") {
            let name = word_after(&command, "f=\"$d/");
            let text = format!("assay-node Linux x86_64\nassay-clock {}\nassay-folder /run/{name}\n", now());
            answer(session, channel, text.into_bytes(), 0)?;
        } else if let Some(at) = command.find("assay-report-") {
            let mark: String =
                command[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let (run, nonce) = (word_after(&command, "--run-id="), word_after(&command, "--nonce="));
            let (exit, report) = self.report(run, nonce, word_after(&command, "--store=layout:"));
            let text = format!("{mark}\n{report}\n").into_bytes();
            let handle = session.handle();
            // The others on this connection, if there were any, would not wait either.
            tokio::spawn(async move {
                tokio::time::sleep(WORK).await;
                let _ = handle.data(channel, text).await;
                let _ = handle.exit_status_request(channel, exit).await;
                let _ = handle.eof(channel).await;
                let _ = handle.close(channel).await;
            });
        } else {
            answer(session, channel, b"assay-removed /run/simulated\nassay-clean\n".to_vec(), 0)?;
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        if let Some(bytes) = self.uploads.get_mut(&channel) {
            *bytes += data.len() as u64;
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        if self.uploads.remove(&channel).is_some_and(|bytes| bytes > 0) {
            answer(session, channel, b"assay-uploaded\n".to_vec(), 0)?;
        }
        Ok(())
    }
}

impl Node {
    /// The report of a node: most of its images are those of all, some are its own, and one in fifty has an unsigned one.
    fn report(&self, run: &str, nonce: &str, store: &str) -> (u32, String) {
        let own = self.site.images / 5;
        let mut images: Vec<Value> = (0..self.site.images)
            .map(|at| {
                if at < own {
                    image(&format!("node-{}-{at}", self.number), true)
                } else {
                    image(&format!("common-{at}"), true)
                }
            })
            .collect();
        let failed = self.number % 50 == 7;
        if failed {
            images.push(image("unsigned", false));
        }
        images.sort_by(|one, other| one["digest"].as_str().cmp(&other["digest"].as_str()));
        let time = time(now());
        let report = json!({
            "schema": "assay/node-report/v1",
            "run": { "id": run, "started": time, "finished": time, "verified_at": time },
            "agent": { "version": "0", "target": "simulated", "sha256": self.site.agent },
            "node": { "hostname": format!("node-{}", self.number), "machine_id": null, "os": "linux",
                      "architecture": "amd64", "containerd": "2.1.4" },
            "asked": { "nonce": nonce, "accept": [], "content": "full", "images": [], "namespaces": [],
                       "evidence": false, "at": null },
            "inputs": { "store": format!("layout:{store}"), "trust_policy": { "sha256": self.site.policy }, "trust_store": [],
                        "bundles": [], "crls": [] },
            "coverage": { "namespaces": ["k8s.io"], "images": images.len(), "containers": 0, "unlisted": [],
                          "unreadable": [] },
            "summary": { "passed": self.site.images, "failed": u32::from(failed), "skipped": 0, "inconclusive": 0 },
            "images": images,
        });
        (u32::from(failed), report.to_string())
    }
}

/// An image with one signature of three certificates.
fn image(name: &str, signed: bool) -> Value {
    let digest = |part: &str| Digest::sha256(format!("{name}/{part}").as_bytes());
    let check =
        |code: &str| json!({ "result": "passed", "action": "enforce", "code": null, "message": code });
    let certificate = |subject: &str| {
        json!({ "subject": format!("CN={subject},O=Example Publisher,L=Redmond,ST=Washington,C=US"),
                "sha256": digest(subject).hex(), "not_after": "2030-01-01T00:00:00Z" })
    };
    let signature = json!({
        "digest": digest("signature"), "source": "bundles/site.tar", "envelope": "application/cose", "policy": "publisher",
        "status": "passed", "reason": null, "signer": "CN=Example Publisher Signing,O=Example Publisher,L=Redmond,ST=Washington,C=US",
        "chain": [certificate("Example Publisher Signing"), certificate("Example Issuing CA"), certificate("Example Root CA")],
        "signing_time": "2026-10-01T12:00:00Z",
        "timestamp": { "time": "2026-10-01T12:00:01Z", "accuracy": 1.0, "tsa": "CN=Example Timestamping,O=Example Publisher,C=US" },
        "user_metadata": {},
        "checks": { "integrity": check("the signature is the signer's"), "authenticity": check("the chain leads to a trusted root"),
                    "authentic_timestamp": check("the timestamp is in the chain's validity"), "expiry": check("no expiry"),
                    "revocation": check("no certificate is revoked") },
        "target": { "result": "passed", "code": null, "message": null },
    });
    json!({
        "namespace": "k8s.io", "references": [format!("registry.example.test/team/{name}:v1"), format!("registry.example.test/team/{name}@{}", digest(""))],
        "digest": digest(""), "media_type": "application/vnd.oci.image.index.v1+json", "size": 1609, "platforms": ["linux/amd64"],
        "in_use": [{ "pod": format!("{name}-5f7c9"), "pod_namespace": "default", "container": "main", "id": digest("container").hex() }],
        "status": if signed { "passed" } else { "failed" }, "reason": if signed { Value::Null } else { "no-signature".into() },
        "message": if signed { Value::Null } else { "no signature is associated with the image".into() }, "hint": null, "via": null,
        "policy": "publisher", "signatures": if signed { vec![signature] } else { Vec::new() },
        "content": { "mode": "full", "checked": 9, "bytes": 123_456_789, "absent": 0, "mismatched": [] }, "rootfs": null,
    })
}

fn answer(session: &mut Session, channel: ChannelId, text: Vec<u8>, exit: u32) -> Result<(), russh::Error> {
    session.data(channel, text)?;
    session.exit_status_request(channel, exit)?;
    session.eof(channel)?;
    session.close(channel)
}

/// The letters of a run's id or a folder's name that follow `mark`.
fn word_after<'a>(text: &'a str, mark: &str) -> &'a str {
    let rest = text.split_once(mark).map_or("", |(_, rest)| rest);
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default()
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

fn time(seconds: i64) -> String {
    assay_verifier::time::UnixTime::from_seconds(seconds).map(|time| time.to_string()).unwrap_or_default()
}
