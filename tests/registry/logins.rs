//! Logs in as real registries ask, with the credentials that `docker login`, `podman login` and helpers keep. Shows who
//! is told them, and who is not.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use assay_fixtures::keys::{Form, Hash, Key};
use assay_tests::certificates::{certificates, self_signed};
use assay_tests::http::{Answer, Request, Server};
use assay_tests::packages::program;
use assay_tests::program::finish;
use assay_tests::registry::{Registry, answer, oras};
use assay_tests::served::Served;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
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

#[test]
fn the_challenge_of_the_request_itself_is_answered() {
    let forms = [
        // a project of Harbor behind a path, a repository of Artifactory: names that only the registry knows
        (
            r#"Bearer realm="http://HOST/token",service="s",scope="repository:project/team/app:pull""#,
            &["repository:project/team/app:pull"][..],
            "service=s",
        ),
        (
            r#"Bearer realm="http://HOST/token",service="s",scope="artifact:x:read""#,
            &["artifact:x:read"],
            "service=s",
        ),
        (
            r#"Bearer realm="http://HOST/token?tenant=1",scope="repository:a:pull repository:b:pull""#,
            &["repository:a:pull", "repository:b:pull"],
            "tenant=1",
        ),
        (r#"Bearer realm="/token",service="s""#, &["repository:team/app:pull"], "service=s"),
        (
            r#"Basic realm="r", Bearer realm="/token",service="s",scope="a",error="insufficient_scope""#,
            &["a"],
            "service=s",
        ),
        (
            r#"Bearer realm="http://HOST/token",scope="a", Bearer realm="/token",scope="b", Basic realm="r""#,
            &["a", "b"],
            "",
        ),
        // The first server gives no token.
        (r#"Bearer realm="/no/token",scope="a",Bearer realm="/token",scope="b""#, &["b"], ""),
    ];
    for (challenge, scopes, part) in forms {
        let published = Served::new(AGENT, ASSAY);
        let server = published.serve(move |request, answer| {
            let authorization = request.headers.get("authorization").map(String::as_str);
            Some(match request.path.as_str() {
                "/v2/" => Answer::new(200, "{}"),
                "/no/token" => Answer::new(403, "{}"),
                "/token" => {
                    let right = asked(request) == scopes
                        && request.query.contains(part)
                        && authorization == Some("Basic dTpw");
                    // some give an empty token beside the one that counts
                    let token = json!({ "token": "", "access_token": "t0ken" });
                    if right { Answer::new(200, token.to_string()) } else { Answer::new(403, "{}") }
                }
                _ if authorization == Some("Bearer t0ken") => answer,
                _ => {
                    let challenge = challenge.replace("HOST", &request.headers["host"]);
                    Answer::new(401, "{}").with("WWW-Authenticate", challenge)
                }
            })
        });
        published.docker_config(&json!({ "auths": { server.host(): { "auth": "dTpw" } } }));
        eprintln!("{challenge}");
        let _ = published.create(&server.host(), &[]).expect_code(0);
        published.passes();
    }
}

#[test]
fn a_password_helps_if_no_token_can_be_had() {
    let published = Served::new(AGENT, ASSAY);
    let server = published.serve(|request, answer| {
        let is_user = request.headers.get("authorization").map(String::as_str) == Some("Basic dTpw");
        Some(match request.path.as_str() {
            "/token" => Answer::new(403, "{}"),
            _ if is_user => answer,
            _ => Answer::new(401, "{}")
                .with("WWW-Authenticate", "Bearer realm=\"/token\"")
                .with("WWW-Authenticate", "Basic realm=\"r\""),
        })
    });
    published.docker_config(&json!({ "auths": { server.host(): { "auth": "dTpw" } } }));
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
}

/// Two images whose repositories need tokens of different scopes, and manifests that need others than blobs.
#[test]
fn a_token_of_one_scope_is_not_taken_for_one_of_another() {
    let published = Served::new(AGENT, ASSAY);
    let server = published.serve(|request, answer| {
        if request.path == "/token" {
            let token = json!({ "token": asked(request).join(" ") });
            return Some(Answer::new(200, token.to_string()));
        }
        let [.., kind, _] = request.path.split('/').collect::<Vec<_>>()[..] else { return None };
        let [_, _, name, ..] = request.path.split('/').collect::<Vec<_>>()[..] else { return None };
        let scope = format!("{name}:{kind}");
        if request.headers.get("authorization") == Some(&format!("Bearer {scope}")) {
            return Some(answer);
        }
        let challenge = format!("Bearer realm=\"/token\",scope=\"{scope}\"");
        // RFC 6750: a token that is good, and not for this
        let status = if request.headers.contains_key("authorization") { 403 } else { 401 };
        Some(Answer::new(status, "{}").with("WWW-Authenticate", challenge))
    });
    let other = format!("{}/other/app:v1", server.host());
    let _ = published.create(&server.host(), &["--image", &other]).expect_code(0);
    published.passes();
}

/// A server that takes one user's password.
fn password(published: &Served, user: &'static str) -> Server {
    published.serve(move |request, answer| {
        let expected = format!("Basic {}", STANDARD.encode(user));
        Some(match request.headers.get("authorization") {
            Some(given) if *given == expected => answer,
            _ => Answer::new(401, "{}").with("WWW-Authenticate", "Basic realm=\"r\""),
        })
    })
}

#[test]
fn credentials_are_found_where_podman_and_docker_leave_them() {
    let files = [
        ("named.json", &[("REGISTRY_AUTH_FILE", "named.json")][..]),
        ("run/containers/auth.json", &[]),
        ("config/containers/auth.json", &[]),
        ("home/.config/containers/auth.json", &[("HOME", "home"), ("XDG_CONFIG_HOME", "")]),
        ("docker/config.json", &[]),
        ("home/.docker/config.json", &[("HOME", "home"), ("DOCKER_CONFIG", "")]),
        ("docker/config.json", &[("REGISTRY_AUTH_FILE", "other.json")]),
    ];
    for (file, variables) in files {
        let published = Served::new(AGENT, ASSAY);
        let server = password(&published, "u:p");
        let host = server.host();
        let create = || {
            let mut command = published.command(&host);
            command.envs(variables.iter().map(|(name, value)| {
                (name, if value.is_empty() { "".into() } else { published.path(value) })
            }));
            finish(&mut command)
        };
        let write = |file: &str, content: Value| {
            fs::create_dir_all(published.path(file).parent().unwrap()).unwrap();
            fs::write(published.path(file), content.to_string()).unwrap();
        };
        write("other.json", json!({}));
        eprintln!("{file} {variables:?}");
        write(file, json!({ "auths": { format!("{host}/other"): { "auth": "dTpw" } } }));
        published.is_not_written(create());
        assert_eq!(told(&server), 0);
        // the namespace counts, not the registry, nor what a later file has
        let wrong = STANDARD.encode("u:wrong");
        write(
            file,
            json!({ "auths": { host.clone(): { "auth": wrong }, format!("{host}/team"): { "auth": "dTpw" } } }),
        );
        let _ = create().expect_code(0);
        published.passes();
    }
}

#[test]
fn credentials_that_cannot_be_had_are_named_with_their_file() {
    let wrong = [
        "{",
        "[]",
        r#"{"auths":{"HOST":{"auth":"%"}}}"#,
        r#"{"credHelpers":{"HOST":"absent"}}"#,
        r#"{"credsStore":"absent"}"#,
    ];
    for text in wrong {
        let published = Served::new(AGENT, ASSAY);
        let server = password(&published, "u:p");
        fs::create_dir_all(published.path("run/containers")).unwrap();
        let file = published.path("run/containers/auth.json");
        fs::write(&file, text.replace("HOST", &server.host())).unwrap();
        let done = published.create(&server.host(), &[]);
        assert!(done.stderr.contains(&file.display().to_string()), "{}", done.stderr);
        published.is_not_written(done);
        assert_eq!(told(&server), 0);
    }
    let published = Served::new(AGENT, ASSAY);
    let server = password(&published, "u:p");
    published.docker_config(&json!({ "auths": { server.host(): { "auth": "dTpw" } } }));
    let mut command = published.command(&server.host());
    let done = finish(command.env("REGISTRY_AUTH_FILE", published.path("absent.json")));
    assert!(done.stderr.contains(&published.path("absent.json").display().to_string()), "{}", done.stderr);
    published.is_not_written(done);
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
            // This holds even for a server that is used without TLS.
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

/// Debian's registry with TLS of a CA of its own and a password, which a credential helper has, or podman.
#[test]
fn a_real_registry_with_its_own_ca_takes_a_password() {
    let Some(oras) = oras() else { return };
    let published = Served::new(AGENT, ASSAY);
    let folder = &published.path("");
    certificates(folder);
    fs::write(folder.join("htpasswd"), format!("{USER}:{BCRYPT}\n")).unwrap();
    let here = folder.display();
    let registry = Registry::debian(&format!(
        "  tls: {{certificate: {here}/server.pem, key: {here}/server.key}}\nauth: {{htpasswd: {{realm: r, path: {here}/htpasswd}}}}\n"
    ));
    let host = registry.host();
    let ca = format!("{here}/ca.pem");
    published.push(&oras, &host, &["--to-ca-file", &ca, "--to-username", USER, "--to-password", PASSWORD]);

    let create = |more: &[(&str, &Path)]| {
        let mut command = published.bundle_create();
        command.args(["--retries", "0", "--ca", &ca, "--image"]).arg(format!("{host}/team/app:v1"));
        command.env("PATH", format!("{here}:{}", std::env::var("PATH").unwrap_or_default()));
        finish(command.envs(more.iter().copied()))
    };
    published.is_not_written(create(&[]));
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
    let _ = create(&[]).expect_code(0);
    published.passes();
    // what podman leaves, for the registry and for a namespace; a helper that is not there is not asked
    published.docker_config(&json!({ "credsStore": "absent" }));
    for (name, whose) in [("auth.json", host.clone()), ("team.json", format!("{host}/team"))] {
        let file = folder.join(name);
        let mut podman = Command::new(program("podman", "podman"));
        podman.args(["login", "--cert-dir", &format!("{here}/certs"), "-u", USER, "-p", PASSWORD, &whose]);
        fs::create_dir_all(folder.join("certs")).unwrap();
        fs::copy(&ca, folder.join("certs/ca.crt")).unwrap();
        let _ = finish(podman.env("REGISTRY_AUTH_FILE", &file)).expect_code(0);
        let _ = create(&[("REGISTRY_AUTH_FILE", &file)]).expect_code(0);
        published.passes();
    }
}

/// Debian's registry, which takes the tokens that a server signs for those who have the password.
#[test]
fn a_real_registry_takes_tokens_of_its_own_server() {
    let Some(oras) = oras() else { return };
    let published = Served::new(AGENT, ASSAY);
    let here = published.path("").display().to_string();
    self_signed(&published.path(""), "tokens", "p256-a", &[], false);
    let certificate = fs::read_to_string(published.path("tokens.pem")).unwrap();
    let certificate: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
    let tokens = Server::start(move |request| {
        let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let is_user = request.headers.get("authorization") == Some(&format!("Basic {basic}"));
        Some(match is_user {
            true => Answer::new(200, json!({ "token": token(&certificate, &asked(request)) }).to_string()),
            false => Answer::new(401, "{}"),
        })
    });
    let registry = Registry::debian(&format!(
        "auth: {{token: {{realm: \"http://{}/token?tenant=1\", service: s, issuer: i, rootcertbundle: {here}/tokens.pem}}}}\n",
        tokens.host()
    ));
    let host = registry.host();
    published.push(&oras, &host, &["--to-plain-http", "--to-username", USER, "--to-password", PASSWORD]);
    let create = || published.create(&host, &["--plain-http", &tokens.host()]);
    published.is_not_written(create());
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    published.docker_config(&json!({ "auths": { format!("http://{host}/v2/"): { "auth": auth } } }));
    let _ = create().expect_code(0);
    published.passes();
    let last = tokens.seen().pop().unwrap();
    assert_eq!(asked(&last), ["repository:team/app:pull"]);
    assert!(last.query.split('&').any(|part| part == "tenant=1"), "{}", last.query);
}

/// The scopes that a token is asked for.
fn asked(request: &Request) -> Vec<String> {
    let scopes = request.query.split('&').filter_map(|part| part.strip_prefix("scope="));
    let plain = [("%3A", ":"), ("%2F", "/"), ("%2C", ","), ("+", " "), ("%20", " ")];
    scopes
        .map(|scope| plain.iter().fold(scope.to_owned(), |text, (from, to)| text.replace(from, to)))
        .collect()
}

/// A token as the distribution project's registry reads it, good for everything that is asked.
fn token(certificate: &str, scopes: &[String]) -> String {
    let access = scopes.iter().flat_map(|scopes| scopes.split(' ')).filter_map(|scope| {
        let [kind, name, actions] = scope.splitn(3, ':').collect::<Vec<_>>()[..] else { return None };
        Some(json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }))
    });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [certificate] });
    let claims = json!({ "iss": "i", "sub": USER, "aud": "s", "jti": "1", "nbf": now - 60, "iat": now - 60,
        "exp": now + 3600, "access": access.collect::<Vec<_>>() });
    let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = Key::named("p256-a").sign(Hash::Sha256, Form::EcdsaFixed, text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
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
