//! Reads `hosts.toml` as containerd does: who is asked, in which order, with what, and what is said if no host has the
//! image.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use assay_tests::http::{Answer, Server};
use assay_tests::program::{Finished, finish};
use assay_tests::served::{Served, right};
use serde_json::json;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// Writes the file of `registry.example.test`.
fn write(published: &Served, text: &str) {
    let folder = published.path("certs.d/registry.example.test");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("hosts.toml"), text).unwrap();
}

/// `assay bundle create` for these images of `registry.example.test`.
fn command(published: &Served, images: &[&str]) -> Command {
    let mut command = published.bundle_create();
    command.args(["--retries", "1"]).arg("--hosts-dir").arg(published.path("certs.d"));
    for image in images {
        command.arg("--image").arg(format!("registry.example.test/{image}"));
    }
    command
}

fn create(published: &Served, more: &[&str]) -> Finished {
    finish(command(published, &["team/app:v1"]).args(more))
}

/// A host where no server listens.
fn nobody() -> String {
    Server::start(|_| None).host()
}

#[test]
fn a_mirror_is_asked_first_and_told_whom_it_stands_for() {
    let published = Served::new(AGENT, ASSAY);
    let mirror = published.serve(right);
    write(&published, &format!("server = \"http://{0}\"\n[host.\"http://{0}\"]\n", mirror.host()));
    let _ = create(&published, &[]).expect_code(0);
    published.passes();
    let is_told = |query: &str| query.contains("ns=registry.example.test") || query.contains("last=");
    assert!(mirror.seen().iter().all(|request| is_told(&request.query)));
}

#[test]
fn every_place_that_was_asked_is_named_with_its_own_error() {
    let published = Served::new(AGENT, ASSAY);
    let forbidden = Server::start(|_| Some(Answer::new(403, "{}")));
    let empty = Server::start(|_| Some(Answer::new(404, "{}")));
    let unreachable = nobody();
    let hosts = [forbidden.host(), empty.host(), unreachable];
    write(
        &published,
        &format!(
            "server = \"http://{2}\"\n[host.\"http://{0}\"]\n[host.\"http://{1}\"]\n",
            hosts[0], hosts[1], hosts[2]
        ),
    );
    let done = create(&published, &[]);
    for host in &hosts {
        assert!(done.stderr.contains(host), "{host}: {}", done.stderr);
    }
    published.is_not_written(done);
    // the listing of signatures too: the mirror has everything but them
    let mirror = published.serve(|request, answer| {
        let is_listing = request.path.contains("/referrers/") || request.path.contains("/sha256-");
        Some(if is_listing { Answer::new(403, "{}") } else { answer })
    });
    write(&published, &format!("server = \"http://{}\"\n[host.\"http://{}\"]\n", hosts[2], mirror.host()));
    let done = create(&published, &[]);
    for host in [&hosts[2], &mirror.host()] {
        assert!(done.stderr.contains(host), "{host}: {}", done.stderr);
    }
    published.is_not_written(done);
}

/// An air gap: the mirror has what is needed, and the registry itself is nowhere.
#[test]
fn a_server_that_cannot_be_reached_is_asked_once_in_a_run() {
    let published = Served::new(AGENT, ASSAY);
    let mirror = published.serve(|request, answer| {
        Some(if request.path.contains("/team/app/") { answer } else { Answer::new(404, "{}") })
    });
    let (closed, connections) = closes();
    write(&published, &format!("server = \"https://{closed}\"\n[host.\"http://{}\"]\n", mirror.host()));
    let images = ["team/app:v1", "a:v1", "b:v1", "c:v1", "d:v1", "e:v1"];
    let done = finish(command(&published, &images).args(["--concurrency", "1"])).expect_code(3);
    for image in &images[1..] {
        assert!(done.stderr.contains(image), "{image}: {}", done.stderr);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2, "the first request and its second attempt");
}

/// Where connections are made and end at once, and how many there were.
fn closes() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            drop(connection);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (host, connections)
}

#[test]
fn headers_go_to_their_host_alone() {
    let published = Served::new(AGENT, ASSAY);
    let layout = published.serve(right);
    let elsewhere = layout.host();
    let mirror = published.serve(move |request, answer| {
        let host = &request.headers["host"];
        let header = request.headers.get("x-token").map(String::as_str);
        Some(match request.path.as_str() {
            _ if header != Some("secret") => Answer::new(403, "{}"),
            "/token" => Answer::new(200, json!({ "token": "t" }).to_string()),
            _ if !request.headers.contains_key("authorization") => {
                Answer::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"http://{host}/token\""))
            }
            path if path.contains("/blobs/") => {
                Answer::new(307, "").with("Location", format!("http://{elsewhere}{path}"))
            }
            _ => answer,
        })
    });
    let upstream = Server::start(|_| Some(Answer::new(404, "{}")));
    let text = format!(
        "server = \"http://{}\"\n[host.\"http://{}\".header]\nX-Token = [\"secret\"]\n",
        upstream.host(),
        mirror.host()
    );
    write(&published, &text);
    // TLS is left out only if the operator says so.
    let done = create(&published, &[]);
    assert!(done.stderr.contains(&format!("--plain-http {}", mirror.host())), "{}", done.stderr);
    published.is_not_written(done);
    assert!(mirror.seen().is_empty());
    let _ = create(&published, &["--plain-http", &mirror.host()]).expect_code(0);
    published.passes();
    let _ = finish(command(&published, &["gone:v1"]).args(["--plain-http", &mirror.host()]));
    for server in [&layout, &upstream] {
        let seen = server.seen();
        assert!(!seen.is_empty());
        for request in seen {
            assert!(
                !request.headers.contains_key("x-token") && !request.headers.contains_key("authorization")
            );
        }
    }
}

/// A project of Harbor that copies another registry, or a repository of Artifactory: its API lies below a path, its tokens
/// are for a name that has the path in it, and so may be the credentials.
#[test]
fn a_repository_below_a_path_is_asked_by_its_own_name() {
    for (path, name) in
        [("/v2/proxy", "proxy"), ("/artifactory/api/docker/local/v2", "artifactory/api/docker/local")]
    {
        let published = Served::new(AGENT, ASSAY);
        let mirror = published.serve(move |request, answer| {
            let scope =
                format!("scope=repository%3A{}%3Apull", format!("{name}/team/app").replace('/', "%2F"));
            let authorization = request.headers.get("authorization").map(String::as_str);
            Some(match request.path.as_str() {
                "/v2/" => Answer::new(200, "{}"),
                "/token" if authorization == Some("Basic dTpw") && request.query.contains(&scope) => {
                    Answer::new(200, json!({ "token": "t" }).to_string())
                }
                "/token" => Answer::new(403, "{}"),
                asked if !asked.starts_with(path) => Answer::new(404, "{}"),
                _ if authorization == Some("Bearer t") => answer,
                _ => {
                    let scope = format!("repository:{name}/team/app:pull");
                    let challenge = format!("Bearer realm=\"/token\",service=\"s\",scope=\"{scope}\"");
                    Answer::new(401, "").with("WWW-Authenticate", challenge)
                }
            })
        });
        let host = mirror.host();
        published.docker_config(&json!({ "auths": {
            host.clone(): { "auth": "eDp4" }, format!("{host}/{name}"): { "auth": "dTpw" } } }));
        write(&published, &format!("server = \"http://{host}{path}\"\noverride_path = true\n"));
        let _ = create(&published, &["--plain-http", &host]).expect_code(0);
        published.passes();
    }
}

#[test]
fn what_is_not_followed_is_refused_with_its_file() {
    let published = Served::new(AGENT, ASSAY);
    let mirror = published.serve(right);
    for text in [
        "skip_verify = true",
        "client = \"x.pem\"",
        "capabilities = [\"fly\"]",
        "rewrite = 1",
        "dial_timeout = 5",
    ] {
        write(&published, &format!("[host.\"http://{}\"]\n{text}\n", mirror.host()));
        let done = create(&published, &[]);
        assert!(done.stderr.contains("hosts.toml"), "{}", done.stderr);
        published.is_not_written(done);
    }
    assert!(mirror.seen().is_empty());
    let mut absent = published.bundle_create();
    absent
        .args(["--image", "registry.example.test/team/app:v1", "--hosts-dir"])
        .arg(published.path("absent"));
    assert_eq!(finish(&mut absent).code, Some(2));
}
