//! `assay bundle create` beside registries that behave and registries that do not, and the logins that real ones ask for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Algorithm, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::{Image, linux};
use assay_fixtures::layout::Layout;
use assay_shared::bundle::{BundleManifest, Completeness};
use assay_shared::limits;
use assay_shared::oci::{Descriptor, media_type};
use assay_tests::http::{Answer, Request, Server};
use assay_tests::program::{Finished, finish};
use assay_tests::registry::{Registry, answer, oras};
use serde_json::json;
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// A time at which the publisher's certificates are valid.
const AT: &str = "2026-11-20T12:00:00Z";

/// An image of two platforms with signatures of the index and of a platform, as a registry holds it.
struct Published {
    folder: TempDir,
    layout: Arc<Layout>,
    index: Descriptor,
}

impl Published {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::new();
        let mut layout = Layout::new();
        let manifests =
            ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", "app").add_to(&mut layout));
        let index = layout.add_index(false, &manifests);
        let mut store = layout.clone();
        for (algorithm, format) in [(Algorithm::P256, Format::Cose), (Algorithm::Rsa2048, Format::Jws)] {
            publisher.sign(&mut layout, &index, Signature::Good(algorithm, format));
        }
        publisher.sign(&mut layout, &manifests[0], Signature::Good(Algorithm::P384, Format::Cose));
        let config = layout.add(media_type::OCI_EMPTY, b"{}".to_vec());
        let sbom = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [],
            "artifactType": "application/vnd.example.sbom", "subject": index });
        layout.add(media_type::OCI_MANIFEST, sbom.to_string().into_bytes());
        archive::write_files(&folder.path().join("trust"), &publisher.trust()).unwrap();
        store.name(&index, "registry.example.test/team/app:v1");
        store.write(&folder.path().join("store")).unwrap();
        Self { folder, layout: Arc::new(layout), index }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A registry that answers rightly, but for what `change` makes of it.
    fn serve(&self, change: impl Fn(&Request, Answer) -> Option<Answer> + Send + Sync + 'static) -> Server {
        let (layout, root) = (Arc::clone(&self.layout), self.index.digest.clone());
        Server::start(move |request| change(request, answer(&layout, &root, 1, request)))
    }

    /// Runs `assay bundle create` for the image at `host`.
    fn create(&self, host: &str, more: &[&str]) -> Finished {
        let mut command = self.command(host);
        finish(command.args(more))
    }

    fn command(&self, host: &str) -> Command {
        let mut command = Command::new(ASSAY);
        command.args(["bundle", "create", "--no-crls", "--retries", "1", "--plain-http", host]);
        command.arg("--image").arg(format!("{host}/team/app:v1"));
        command.arg("--out").arg(self.path("site.tar"));
        command.env("DOCKER_CONFIG", self.path("docker"));
        for proxy in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command
    }

    /// That the bundle is whole and the image passes by it.
    #[track_caller]
    fn passes(&self) {
        let opened = assay::bundle::Opened::open(&self.path("site.tar")).unwrap();
        let document = opened.document().unwrap();
        assert_eq!((document.completeness, document.images[0].signatures), (Completeness::Complete, 3));
        let store = format!("layout:{}", self.path("store").display());
        let mut command = Command::new(AGENT);
        command.args(["verify", "--at", AT, "--store", &store, "--trust"]).arg(self.path("trust"));
        let _ = finish(command.arg("--signatures").arg(self.path("site.tar"))).expect_code(0);
    }

    /// That there is no bundle, and that what there is of one is none.
    #[track_caller]
    fn is_not_written(&self, done: Finished) {
        let done = done.expect_code(3);
        assert!(!self.path("site.tar").exists(), "{}", done.stderr);
        let partial = self.path("site.tar.partial");
        assert!(!partial.join("index.json").exists());
        let document = fs::read(partial.join("bundle.json")).unwrap();
        assert!(!BundleManifest::parse(&document).unwrap().is_usable());
    }
}

fn right(_: &Request, answer: Answer) -> Option<Answer> {
    Some(answer)
}

#[test]
fn every_page_of_a_listing_is_read_and_other_artifacts_are_left() {
    let published = Published::new();
    let server = published.serve(right);
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
    let first = fs::read(published.path("site.tar")).unwrap();
    // what is fetched again is the same to the byte
    let _ = published.create(&server.host(), &[]).expect_code(0);
    assert!(first == fs::read(published.path("site.tar")).unwrap());
    let pages = server.seen().iter().filter(|request| request.query.contains("last=")).count();
    assert_eq!(pages, 4, "the index has three referrers");
}

#[test]
fn a_busy_server_is_waited_for_as_it_asks() {
    let published = Published::new();
    let server = published.serve(|request, answer| {
        let busy = Answer::new(429, "{}").with("Retry-After", "1");
        Some(if request.before == 0 { busy } else { answer })
    });
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
}

#[test]
fn what_cannot_be_had_is_no_bundle() {
    let is = |kind: &'static str| move |request: &Request| request.path.contains(kind);
    type Change = Box<dyn Fn(&Request, Answer) -> Option<Answer> + Send + Sync>;
    let wrong: [(&str, Change); 11] = [
        ("always busy", Box::new(|_, _| Some(Answer::new(429, "{}").with("Retry-After", "1")))),
        ("asked to wait for a day", Box::new(|_, _| Some(Answer::new(503, "").with("Retry-After", "86400")))),
        (
            "not for anybody",
            Box::new(|_, _| Some(Answer::new(401, "{}").with("WWW-Authenticate", "Basic realm=\"x\""))),
        ),
        (
            "blobs cut short",
            Box::new(move |request, answer| {
                let withheld = if is("/blobs/")(request) { 7 } else { 0 };
                Some(Answer { withheld, ..answer })
            }),
        ),
        (
            "other bytes under a digest",
            Box::new(move |request, mut answer| {
                if is("/blobs/")(request) {
                    answer.body.reverse();
                }
                Some(answer)
            }),
        ),
        (
            "another manifest under a digest",
            Box::new(move |request, mut answer| {
                if is("/manifests/sha256:")(request) {
                    answer.body.push(b' ');
                }
                Some(answer)
            }),
        ),
        (
            "listings that fail",
            Box::new(move |request, answer| {
                Some(if is("/referrers/")(request) { Answer::new(500, "") } else { answer })
            }),
        ),
        (
            "no listing, and a busy fallback tag",
            Box::new(move |request, answer| {
                let path = &request.path;
                Some(match path.contains("/referrers/") {
                    true => Answer::new(404, ""),
                    false if path.contains("/manifests/sha256-") => {
                        Answer::new(429, r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#)
                    }
                    false => answer,
                })
            }),
        ),
        (
            "a page on another server",
            Box::new(move |request, answer| {
                let next = "<http://192.0.2.1/v2/team/app/referrers/x>; rel=\"next\"";
                Some(if is("/referrers/")(request) { answer.with("Link", next) } else { answer })
            }),
        ),
        (
            "pages in a circle",
            Box::new(move |request, answer| {
                let next = format!("<{}?last=0>; rel=\"next\"", request.path);
                let answer = Answer {
                    headers: answer.headers.into_iter().filter(|one| one.0 != "Link").collect(),
                    ..answer
                };
                Some(if is("/referrers/")(request) { answer.with("Link", next) } else { answer })
            }),
        ),
        (
            "a manifest without end",
            Box::new(move |request, answer| {
                Some(if is("/manifests/sha256:")(request) {
                    Answer::new(200, vec![b' '; 5 << 20])
                } else {
                    answer
                })
            }),
        ),
    ];
    for (what, change) in wrong {
        let published = Published::new();
        let server = published.serve(change);
        eprintln!("{what}");
        published.is_not_written(published.create(&server.host(), &[]));
    }
}

#[test]
fn what_was_fetched_before_a_server_went_down_is_not_fetched_again() {
    let published = Published::new();
    let down = published.serve(|request, answer| (!request.path.contains("/blobs/")).then_some(answer));
    published.is_not_written(published.create(&down.host(), &["--from", &down.host()]));
    let server = published.serve(right);
    let image = down.host();
    let _ =
        published.create(&image, &["--from", &server.host(), "--plain-http", &server.host()]).expect_code(0);
    published.passes();
    let again: Vec<String> = server.seen().into_iter().map(|request| request.path).collect();
    let platforms = again.iter().filter(|path| path.contains("/manifests/sha256:")).count();
    assert_eq!(platforms, 3, "only the signatures, which were not there whole: {again:?}");
    assert!(!published.path("site.tar.partial").exists());
}

#[test]
fn gaps_that_are_accepted_are_named_in_the_bundle() {
    let published = Published::new();
    let server = published.serve(right);
    let gone = format!("{}/team/gone:v2", server.host());
    published.is_not_written(published.create(&server.host(), &["--image", &gone]));
    let _ = published.create(&server.host(), &["--image", &gone, "--allow-gaps"]).expect_code(3);
    let opened = assay::bundle::Opened::open(&published.path("site.tar")).unwrap();
    let document = opened.document().unwrap();
    assert_eq!(document.completeness, Completeness::GapsAccepted);
    assert_eq!(document.gaps.iter().map(|gap| &gap.what).collect::<Vec<_>>(), [&gone]);
}

#[test]
fn a_signature_that_no_verifier_reads_does_not_keep_the_others() {
    let mut published = Published::new();
    let layout = Arc::get_mut(&mut published.layout).unwrap();
    let huge = vec![b' '; limits::ENVELOPE_BYTES + 1];
    let _ = layout.add_signature(&published.index, Format::Jws, huge, &[], "2026-06-01T00:00:00Z");
    let server = published.serve(right);
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
}

#[test]
fn a_registry_without_tls_is_told_from_one_that_cannot_be_reached() {
    let published = Published::new();
    let registry = Registry::debian("");
    let mut command = Command::new(ASSAY);
    command.args(["bundle", "create", "--image", &format!("{}/team/app:v1", registry.host())]);
    command.arg("--out").arg(published.path("site.tar")).env("DOCKER_CONFIG", published.path("docker"));
    let done = finish(command.env("NO_PROXY", "127.0.0.1"));
    assert!(done.stderr.contains(&format!("--plain-http {}", registry.host())), "{}", done.stderr);
    published.is_not_written(done);
}

#[test]
fn a_token_is_fetched_with_the_password_and_both_stay_with_those_who_asked() {
    let published = Published::new();
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
    fs::create_dir(published.path("docker")).unwrap();
    let config = json!({ "auths": { server.host(): { "auth": "dTpw" } } });
    fs::write(published.path("docker/config.json"), config.to_string()).unwrap();
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
    let published = Published::new();
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
    fs::create_dir(published.path("docker")).unwrap();
    let config = json!({ "auths": { server.host(): { "auth": "dTo=", "identitytoken": "identity" } } });
    fs::write(published.path("docker/config.json"), config.to_string()).unwrap();
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
fn secrets(host: &str) -> [serde_json::Value; 2] {
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
        let published = Published::new();
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
        fs::create_dir(published.path("docker")).unwrap();
        for config in secrets(&server.host()) {
            fs::write(published.path("docker/config.json"), config.to_string()).unwrap();
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
        let published = Published::new();
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
        fs::create_dir(published.path("docker")).unwrap();
        let [password, _] = secrets(&mirror.host());
        fs::write(published.path("docker/config.json"), password.to_string()).unwrap();
        let create = |plain: &str| {
            let mut command = Command::new(ASSAY);
            command.args(["bundle", "create", "--no-crls", "--retries", "0", "--plain-http", plain]);
            command.args(["--image", "registry.example.test/team/app:v1"]);
            command
                .arg("--out")
                .arg(published.path("site.tar"))
                .env("DOCKER_CONFIG", published.path("docker"));
            finish(command.arg("--hosts-dir").arg(published.path("certs.d")))
        };
        published.is_not_written(create("other.example.test"));
        assert_eq!(told(&mirror), 0);
        let _ = create(&mirror.host()).expect_code(0);
        published.passes();
    }
}

#[test]
fn the_proxy_that_the_environment_names_is_asked() {
    let published = Published::new();
    let proxy = published.serve(right);
    let mut command = published.command("registry.example.test");
    command
        .env("http_proxy", format!("http://{}", proxy.host()))
        .env_remove("no_proxy")
        .env_remove("NO_PROXY");
    let _ = finish(&mut command).expect_code(0);
    published.passes();
    let seen = proxy.seen();
    assert!(
        seen.iter().all(|request| request.path.starts_with("http://registry.example.test/v2/")),
        "{seen:?}"
    );
}

#[test]
fn a_mirror_of_hosts_toml_is_asked_first_and_told_whom_it_stands_for() {
    let published = Published::new();
    let mirror = published.serve(right);
    let folder = published.path("certs.d/registry.example.test");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("hosts.toml"),
        format!("server = \"http://{0}\"\n[host.\"http://{0}\"]\n", mirror.host()),
    )
    .unwrap();
    let mut command = Command::new(ASSAY);
    command.args(["bundle", "create", "--no-crls", "--image", "registry.example.test/team/app:v1", "--out"]);
    command.arg(published.path("site.tar")).arg("--hosts-dir").arg(published.path("certs.d"));
    let _ = finish(&mut command).expect_code(0);
    published.passes();
    assert!(
        mirror
            .seen()
            .iter()
            .all(|request| request.query.contains("ns=registry.example.test")
                || request.query.contains("last="))
    );
}

#[test]
fn what_cannot_be_asked_is_said_before_anything_is_fetched() {
    let published = Published::new();
    for arguments in [
        &["--image", "app:v1", "--out", "x.tar"][..],
        &["--image", "r.example/app", "--out", "x.tar"],
        &["--image", "r.example/app:v1", "--out", "."],
        &["--image", "r.example/app:v1", "--out", "store"],
        &["--images-from", "absent", "--out", "x.tar"],
        &["--inventory", "store/index.json", "--out", "x.tar"],
        &["--image", "r.example/app:v1", "--ca", "store/index.json", "--out", "x.tar", "--retries", "99"],
        &["--out", "x.tar"],
    ] {
        let mut command = Command::new(ASSAY);
        command.args(["bundle", "create"]).args(arguments).current_dir(published.folder.path());
        let done = finish(&mut command);
        assert_eq!(done.code, Some(2), "{arguments:?}: {}", done.stderr);
    }
}

/// Debian's registry with TLS of a CA of its own and a password, which a credential helper has.
#[test]
fn a_real_registry_with_a_ca_of_its_own_and_a_password() {
    let Some(oras) = oras() else { return };
    let published = Published::new();
    let folder = published.folder.path();
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

    let create = |path: &Path| {
        let mut command = Command::new(ASSAY);
        command.args(["bundle", "create", "--no-crls", "--retries", "0", "--image"]);
        command.arg(format!("{}/team/app:v1", registry.host())).arg("--ca").arg(folder.join("ca.pem"));
        command.arg("--out").arg(path).env("DOCKER_CONFIG", folder.join("docker"));
        command.env("PATH", format!("{here}:{}", std::env::var("PATH").unwrap_or_default()));
        finish(&mut command)
    };
    let out = published.path("site.tar");
    published.is_not_written(create(&out));
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
    fs::create_dir(folder.join("docker")).unwrap();
    fs::write(folder.join("docker/config.json"), r#"{"credsStore":"test"}"#).unwrap();
    let _ = create(&out).expect_code(0);
    published.passes();
}

/// Debian's registry with TLS, whose tokens are at a place without: the password goes there only where that is meant.
#[test]
fn a_registry_with_tls_names_a_place_for_tokens_without() {
    let published = Published::new();
    let folder = published.folder.path();
    certificates(folder);
    let tokens =
        Server::start(|_| Some(Answer::new(200, json!({ "token": "t", "access_token": "t" }).to_string())));
    let (here, host) = (folder.display(), tokens.host());
    let registry = Registry::debian(&format!(
        "  tls: {{certificate: {here}/server.pem, key: {here}/server.key}}\nauth: {{token: {{realm: \"http://{host}/token\", \
         service: s, issuer: i, rootcertbundle: {here}/ca.pem}}}}\n"
    ));
    fs::create_dir(published.path("docker")).unwrap();
    for config in secrets(&registry.host()) {
        fs::write(published.path("docker/config.json"), config.to_string()).unwrap();
        let create = |more: &[&str]| {
            let mut command = Command::new(ASSAY);
            command.args(["bundle", "create", "--no-crls", "--retries", "0", "--image"]);
            command.arg(format!("{}/team/app:v1", registry.host())).arg("--ca").arg(folder.join("ca.pem"));
            command.arg("--out").arg(published.path("site.tar")).args(more);
            finish(command.env("DOCKER_CONFIG", published.path("docker")))
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

/// `ca.pem`, and `server.pem` with `server.key` for 127.0.0.1.
fn certificates(folder: &Path) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::CertifiedIssuer::self_signed(authority, key).unwrap();
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let server_key = rcgen::KeyPair::generate().unwrap();
    let certificate = server.signed_by(&server_key, &issuer).unwrap();
    fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
    fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("server.key"), server_key.serialize_pem()).unwrap();
}
