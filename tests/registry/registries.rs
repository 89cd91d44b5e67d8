//! Runs `assay bundle create` on registries that behave, and on registries that do not.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use assay_fixtures::envelope::Format;
use assay_report::bundle::Completeness;
use assay_tests::http::{Answer, Request};
use assay_tests::program::finish;
use assay_tests::served::{Served, right};
use assay_verifier::limits;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

#[test]
fn every_page_of_a_listing_is_read_and_other_artifacts_are_left() {
    let published = Served::new(AGENT, ASSAY);
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
    let published = Served::new(AGENT, ASSAY);
    let server = published.serve(|request, answer| {
        let busy = Answer::new(429, "{}").with("Retry-After", "1");
        Some(if request.before == 0 { busy } else { answer })
    });
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
}

#[test]
fn what_cannot_be_had_makes_no_bundle() {
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
        let published = Served::new(AGENT, ASSAY);
        let server = published.serve(change);
        eprintln!("{what}");
        published.is_not_written(published.create(&server.host(), &[]));
    }
}

#[test]
fn what_was_fetched_before_a_server_went_down_is_not_fetched_again() {
    let published = Served::new(AGENT, ASSAY);
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
    let published = Served::new(AGENT, ASSAY);
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
    let mut published = Served::new(AGENT, ASSAY);
    let layout = Arc::get_mut(&mut published.layout).unwrap();
    let huge = vec![b' '; limits::ENVELOPE_BYTES + 1];
    let _ = layout.add_signature(&published.index, Format::Jws, huge, &[], "2026-06-01T00:00:00Z");
    let server = published.serve(right);
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
}

#[test]
fn the_proxy_that_the_environment_names_is_asked() {
    let published = Served::new(AGENT, ASSAY);
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
fn what_cannot_be_asked_is_said_before_anything_is_fetched() {
    let published = Served::new(AGENT, ASSAY);
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
        command.args(["bundle", "create"]).args(arguments).current_dir(published.path(""));
        let done = finish(&mut command);
        assert_eq!(done.code, Some(2), "{arguments:?}: {}", done.stderr);
    }
}
