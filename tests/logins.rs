//! The logins that real registries ask for, and the credentials that `docker login`, `podman login` and helpers keep: who is
//! told them, and who is not.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use assay_shared::oci::{Descriptor, media_type};
use assay_tests::certificates::certificates;
use assay_tests::http::{Answer, Request, Server};
use assay_tests::program::finish;
use assay_tests::registry::{Registry, answer, oras};
use assay_tests::served::Served;
use serde_json::{Value, json};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

#[test]
fn a_token_is_fetched_with_the_password_and_both_stay_with_those_who_asked() {
    let published = Served::new(AGENT, ASSAY);
    let elsewhere = {
        let layout = Arc::clone(&published.layout);
        let root = published.index.digest.clone();
        Server::start(move |request| Some(answer(&layout, &root, 9, request)))
    };
    let target = elsewhere.host();
    let server = published.serve(move |request, answer| {
        if request.path == "/token" {
            let basic = request.headers.get("authorization").map(String::as_str) == Some("Basic dTpw");
            let scope = request.query.contains("scope=repository%3Ateam%2Fapp%3Apull");
            let token = json!({ "token": "t0ken" }).to_string();
            return Some(if basic && scope { Answer::new(200, token) } else { Answer::new(401, "") });
        }
        if request.headers.get("authorization").map(String::as_str) != Some("Bearer t0ken") {
            let host = &request.headers["host"];
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
            return Some(Answer::new(401, "{}").with("WWW-Authenticate", challenge));
        }
        // blobs are kept elsewhere
        if request.path.contains("/blobs/") {
            return Some(Answer::new(307, "").with("Location", format!("http://{target}{}", request.path)));
        }
        Some(answer)
    });
    published.docker_config(&json!({ "auths": { server.host(): { "auth": "dTpw" } } }));
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
    let seen = elsewhere.seen();
    assert!(!seen.is_empty() && seen.iter().all(|request| !request.headers.contains_key("authorization")));
    assert!(server.seen().iter().filter(|request| request.path != "/token").all(|request| {
        request.headers.get("authorization").is_none_or(|value| value.starts_with("Bearer "))
    }));
}

#[test]
fn an_identity_token_is_exchanged_for_one_of_the_repository() {
    let published = Served::new(AGENT, ASSAY);
    let server = published.serve(move |request, answer| {
        if request.path == "/token" {
            let form = String::from_utf8_lossy(&request.body);
            let right = ["grant_type=refresh_token", "refresh_token=identity", "service=s", "team%2Fapp"];
            let token = json!({ "access_token": "t0ken" }).to_string();
            let right = right.iter().all(|part| form.contains(part));
            return Some(if right { Answer::new(200, token) } else { Answer::new(401, "") });
        }
        if request.headers.get("authorization").map(String::as_str) == Some("Bearer t0ken") {
            return Some(answer);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", request.headers["host"]);
        Some(Answer::new(401, "{}").with("WWW-Authenticate", challenge))
    });
    published.docker_config(
        &json!({ "auths": { server.host(): { "auth": "dTo=", "identitytoken": "identity" } } }),
    );
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
}

/// Who was told a secret: the requests that had a header or a body with one.
fn told(server: &Server) -> usize {
    let has_secret = |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).contains("refresh_token");
        request.headers.contains_key("authorization") || body
    };
    server.seen().iter().filter(|&request| has_secret(request)).count()
}

/// What Docker's configuration holds for a registry in the tests that follow: a password, or an identity token.
fn secrets(host: &str) -> [Value; 2] {
    [json!({ "auth": "dTpw" }), json!({ "auth": "dTo=", "identitytoken": "identity" })]
        .map(|secret| json!({ "auths": { host: secret } }))
}

#[test]
fn a_server_that_the_registry_leads_to_is_told_nothing() {
    // it asks for a login in the registry's place, or stands where the registry's tokens seem to be
    let elsewhere = Server::start(|request| {
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", request.headers["host"]);
        Some(match request.path.as_str() {
            "/token" => Answer::new(200, json!({ "token": "t", "access_token": "t" }).to_string()),
            _ => Answer::new(401, "{}").with("WWW-Authenticate", challenge),
        })
    });
    for leads in ["/manifests/", "/token"] {
        let published = Served::new(AGENT, ASSAY);
        let target = elsewhere.host();
        let server = published.serve(move |request, answer| {
            if request.path.contains(leads) {
                return Some(
                    Answer::new(307, "").with("Location", format!("http://{target}{}", request.path)),
                );
            }
            let challenge = format!("Bearer realm=\"http://{}/token\"", request.headers["host"]);
            match request.headers.contains_key("authorization") {
                true => Some(answer),
                false => Some(Answer::new(401, "{}").with("WWW-Authenticate", challenge)),
            }
        });
        for config in secrets(&server.host()) {
            published.docker_config(&config);
            published.is_not_written(published.create(&server.host(), &[]));
            // even where it would be spoken to without TLS
            let more = ["--plain-http", &elsewhere.host()];
            published.is_not_written(published.create(&server.host(), &more));
        }
        assert_eq!(told(&elsewhere), 0, "{leads}");
    }
    assert!(!elsewhere.seen().is_empty());
}

#[test]
fn a_mirror_without_tls_gets_no_credentials_that_nobody_meant_for_it() {
    for challenge in ["Basic realm=\"r\"", "Bearer realm=\"http://HOST/token\",service=\"s\""] {
        let published = Served::new(AGENT, ASSAY);
        let mirror = published.serve(move |request, answer| {
            let challenge = challenge.replace("HOST", &request.headers["host"]);
            Some(match request.path.as_str() {
                "/token" => Answer::new(200, json!({ "token": "t", "access_token": "t" }).to_string()),
                _ if request.headers.contains_key("authorization") => answer,
                _ => Answer::new(401, "{}").with("WWW-Authenticate", challenge),
            })
        });
        let folder = published.path("certs.d/registry.example.test");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("hosts.toml"), format!("server = \"http://{}\"\n", mirror.host())).unwrap();
        let [password, _] = secrets(&mirror.host());
        published.docker_config(&password);
        let create = |plain: &str| {
            let mut command = published.bundle_create();
            command.args(["--retries", "0", "--plain-http", plain]);
            command.args(["--image", "registry.example.test/team/app:v1"]);
            finish(command.arg("--hosts-dir").arg(published.path("certs.d")))
        };
        published.is_not_written(create("other.example.test"));
        assert_eq!(told(&mirror), 0);
        let _ = create(&mirror.host()).expect_code(0);
        published.passes();
    }
}

/// Debian's registry with TLS of a CA of its own and a password, which a credential helper has.
#[test]
fn a_real_registry_with_a_ca_of_its_own_and_a_password() {
    let Some(oras) = oras() else { return };
    let published = Served::new(AGENT, ASSAY);
    let folder = &published.path("");
    certificates(folder);
    fs::write(folder.join("htpasswd"), format!("{USER}:{BCRYPT}\n")).unwrap();
    let here = folder.display();
    let registry = Registry::debian(&format!(
        "  tls: {{certificate: {here}/server.pem, key: {here}/server.key}}\nauth: {{htpasswd: {{realm: r, path: {here}/htpasswd}}}}\n"
    ));
    let mut layout = (*published.layout).clone();
    for digest in layout.digests() {
        let is_signature =
            assay_shared::oci::Manifest::parse(layout.blob(&digest)).is_ok_and(|one| one.subject.is_some());
        if is_signature {
            let size = layout.blob(&digest).len() as u64;
            layout.list(Descriptor::new(media_type::OCI_MANIFEST, digest, size));
        }
    }
    layout.list(published.index.clone());
    layout.write(&folder.join("push")).unwrap();
    let mut push = Command::new(oras);
    push.args(["cp", "-r", "--from-oci-layout", &format!("{here}/push@{}", published.index.digest)]);
    push.arg(format!("{}/team/app:v1", registry.host())).arg("--to-ca-file").arg(folder.join("ca.pem"));
    let _ = finish(push.args(["--to-username", USER, "--to-password", PASSWORD])).expect_code(0);

    let create = || {
        let mut command = published.bundle_create();
        command.args(["--retries", "0", "--image"]).arg(format!("{}/team/app:v1", registry.host()));
        command.env("PATH", format!("{here}:{}", std::env::var("PATH").unwrap_or_default()));
        finish(command.arg("--ca").arg(folder.join("ca.pem")))
    };
    published.is_not_written(create());
    // a helper that knows the password
    let helper = folder.join("docker-credential-test");
    fs::write(
        &helper,
        format!("#!/bin/sh\ncat >/dev/null\necho '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n"),
    )
    .unwrap();
    let mut executable = fs::metadata(&helper).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut executable, 0o755);
    fs::set_permissions(&helper, executable).unwrap();
    published.docker_config(&json!({ "credsStore": "test" }));
    let _ = create().expect_code(0);
    published.passes();
}

/// Debian's registry with TLS, whose tokens are at a place without: the password goes there only where that is meant.
#[test]
fn a_registry_with_tls_names_a_place_for_tokens_without() {
    let published = Served::new(AGENT, ASSAY);
    let folder = &published.path("");
    certificates(folder);
    let tokens =
        Server::start(|_| Some(Answer::new(200, json!({ "token": "t", "access_token": "t" }).to_string())));
    let (here, host) = (folder.display(), tokens.host());
    let registry = Registry::debian(&format!(
        "  tls: {{certificate: {here}/server.pem, key: {here}/server.key}}\nauth: {{token: {{realm: \"http://{host}/token\", \
         service: s, issuer: i, rootcertbundle: {here}/ca.pem}}}}\n"
    ));
    for config in secrets(&registry.host()) {
        published.docker_config(&config);
        let create = |more: &[&str]| {
            let mut command = published.bundle_create();
            command.args(["--retries", "0", "--image"]).arg(format!("{}/team/app:v1", registry.host()));
            finish(command.arg("--ca").arg(published.path("ca.pem")).args(more))
        };
        let before = tokens.seen().len();
        published.is_not_written(create(&[]));
        published.is_not_written(create(&["--plain-http", "other.example.test"]));
        assert_eq!(tokens.seen().len(), before);
        // the registry takes no such token, but it was meant to be asked for
        published.is_not_written(create(&["--plain-http", &host]));
        assert!(tokens.seen().len() > before && told(&tokens) > 0);
    }
}

const USER: &str = "assay";
const PASSWORD: &str = "secret";
/// The password as htpasswd keeps it.
const BCRYPT: &str = "$2b$04$.u0Bff8jxkevJiLuzyZijO4HQza5TAdBSAG8agOfLoyn54EFcRtsi";
