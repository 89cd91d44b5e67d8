//! Lists what refers to an image in registries and layouts: with types that lie, with signatures left out, and with
//! lists that cannot be read to their end.

use std::process::Command;
use std::sync::Arc;

use assay::bundle::Opened;
use assay_fixtures::envelope::Format;
use assay_fixtures::layout::Layout;
use assay_report::bundle::{BundleManifest, Completeness, GapKind};
use assay_tests::http::{Answer, Request, Server};
use assay_tests::program::{Finished, finish, verdict};
use assay_tests::published::AT;
use assay_tests::registry::{Registry, answer, crane_old, oras};
use assay_tests::served::Served;
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::oci::{Descriptor, Digest, Manifest, media_type};
use serde_json::{Value, json};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// What listings give as the type of a signature: what its config or its layer is, nothing, and another artifact's.
const LIES: [Option<&str>; 6] = [
    Some(media_type::OCI_EMPTY),
    Some(media_type::OCI_CONFIG),
    Some("application/vnd.example.sbom"),
    Some(notary::media_type::JWS_ENVELOPE),
    Some(""),
    None,
];

const SBOM: &str = "application/vnd.example.sbom";

fn is_api(request: &Request) -> bool {
    request.path.contains("/referrers/")
}

fn is_fallback_tag(request: &Request) -> bool {
    request.path.contains("/manifests/sha256-")
}

/// What an answer lists.
fn entries(answer: &Answer) -> Vec<Value> {
    let index: Value = serde_json::from_slice(&answer.body).unwrap();
    index["manifests"].as_array().unwrap().clone()
}

/// An answer that lists these.
fn listing(entries: &[Value]) -> Answer {
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries });
    Answer::new(200, index.to_string()).with("Content-Type", media_type::OCI_INDEX)
}

/// All that refers to the image that a request names by digest or fallback tag, on one page.
fn referrers(layout: &Layout, request: &Request) -> Vec<Value> {
    let subject = request.path.rsplit('/').next().unwrap().replacen('-', ":", 1);
    let path = format!("/v2/team/app/referrers/{subject}");
    let request = Request { path, query: String::new(), ..request.clone() };
    entries(&answer(layout, &Digest::sha256(b""), usize::MAX / 2, &request))
}

/// Every signature of the layout in the form that has an `artifactType` and the empty config.
fn into_artifacts(layout: &mut Layout) {
    for digest in layout.digests() {
        let bytes = layout.blob(&digest).to_vec();
        let Ok(manifest) = Manifest::parse(&bytes) else { continue };
        if manifest.config.is_none_or(|config| config.media_type != notary::media_type::SIGNATURE) {
            continue;
        }
        let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
        manifest["artifactType"] = notary::media_type::SIGNATURE.into();
        manifest["config"]["mediaType"] = media_type::OCI_EMPTY.into();
        layout.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes());
        layout.remove(&digest);
    }
}

fn artifacts() -> Served {
    let mut published = Served::new(AGENT, ASSAY);
    into_artifacts(Arc::get_mut(&mut published.layout).unwrap());
    published
}

fn document(published: &Served) -> BundleManifest {
    Opened::open(&published.path("site.tar")).unwrap().document().unwrap().clone()
}

/// `assay bundle check` of the bundle, as JSON and as text.
fn check(published: &Served) -> (Value, String) {
    let run = |format: &str| {
        let mut command = Command::new(ASSAY);
        command.args(["bundle", "check", "--at", AT, "--format", format, "--trust"]);
        finish(command.arg(published.path("trust")).arg(published.path("site.tar")))
    };
    (serde_json::from_slice(&run("json").stdout).unwrap(), run("text").text())
}

/// That something is a gap of the image: no bundle, or one that says so.
#[track_caller]
fn is_a_gap(published: &Served, host: &str, kind: GapKind) -> Finished {
    published.is_not_written(published.create(host, &[]));
    let done = published.create(host, &["--allow-gaps"]).expect_code(3);
    assert!(!done.stderr.contains("unsigned at the source"), "{}", done.stderr);
    let document = document(published);
    assert_eq!(document.completeness, Completeness::GapsAccepted);
    assert!(!document.gaps.is_empty());
    for gap in &document.gaps {
        assert_eq!((gap.kind, &gap.what), (kind, &format!("{host}/team/app:v1")), "{}", gap.why);
    }
    done
}

#[test]
fn a_signature_is_carried_whatever_its_listing_calls_it() {
    for lie in LIES {
        for by_tag in [false, true] {
            let published = artifacts();
            let layout = Arc::clone(&published.layout);
            let server = published.serve(move |request, answer| {
                let lying = || {
                    let mut entries = referrers(&layout, request);
                    for entry in &mut entries {
                        entry["artifactType"] = json!(lie);
                    }
                    listing(&entries)
                };
                Some(match (is_api(request), is_fallback_tag(request)) {
                    (true, _) if by_tag => Answer::new(404, ""),
                    (true, _) => lying(),
                    (_, true) if by_tag => lying(),
                    _ => answer,
                })
            });
            let _ = published.create(&server.host(), &[]).expect_code(0);
            published.passes();
        }
    }
}

#[test]
fn a_listing_alone_does_not_make_a_signature() {
    let published = Served::new(AGENT, ASSAY);
    let layout = Arc::clone(&published.layout);
    let server = published.serve(move |request, answer| {
        if !is_api(request) {
            return Some(answer);
        }
        let mut entries = referrers(&layout, request);
        entries.retain(|entry| entry["artifactType"] == SBOM);
        for entry in &mut entries {
            entry["artifactType"] = notary::media_type::SIGNATURE.into();
        }
        Some(listing(&entries))
    });
    let done = published.create(&server.host(), &[]).expect_code(0);
    assert!(done.stderr.contains("unsigned at the source"), "{}", done.stderr);
    let document = document(&published);
    assert_eq!((document.completeness, document.images[0].signatures), (Completeness::Complete, 0));
    assert_eq!(check(&published).0["images"][0]["unsigned"], "at-the-source");
}

/// An API that lists other artifacts, or calls them signatures, while the signatures are under the fallback tag; one that applies
/// the filter by types of its own.
#[test]
fn the_fallback_tag_is_asked_where_the_api_lists_no_signature() {
    for called in [SBOM, notary::media_type::SIGNATURE] {
        let published = artifacts();
        let layout = Arc::clone(&published.layout);
        let server = published.serve(move |request, answer| {
            if is_fallback_tag(request) {
                return Some(listing(&referrers(&layout, request)));
            }
            if !is_api(request) {
                return Some(answer);
            }
            let mut entries = referrers(&layout, request);
            entries.retain(|entry| entry["artifactType"] == SBOM);
            for entry in &mut entries {
                entry["artifactType"] = called.into();
            }
            Some(listing(&entries))
        });
        let _ = published.create(&server.host(), &[]).expect_code(0);
        published.passes();
    }
    let published = artifacts();
    let layout = Arc::clone(&published.layout);
    let server = published.serve(move |request, answer| {
        let is_filtered = request.query.contains("artifactType=");
        Some(match (is_api(request), is_filtered) {
            (true, true) => listing(&[]),
            (true, false) => listing(&referrers(&layout, request)),
            (false, _) => answer,
        })
    });
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
}

type Change = fn(&Layout, &Request, Answer) -> Option<Answer>;

/// Ways to fail to list what refers to an image.
const BROKEN: [(&str, Change); 10] = [
    ("forbidden", |_, request, answer| Some(if is_api(request) { Answer::new(403, "{}") } else { answer })),
    ("failing", |_, request, answer| Some(if is_api(request) { Answer::new(500, "") } else { answer })),
    ("cut short", |_, request, answer| {
        let bytes = &answer.body[..answer.body.len() / 2];
        Some(if is_api(request) {
            Answer::new(200, bytes).with("Content-Type", "application/json")
        } else {
            answer
        })
    }),
    ("empty", |_, request, answer| {
        Some(if is_api(request) {
            Answer::new(200, "").with("Content-Type", media_type::OCI_INDEX)
        } else {
            answer
        })
    }),
    ("an entry without size", |layout, request, answer| {
        let mut entries = if is_api(request) { referrers(layout, request) } else { return Some(answer) };
        for entry in &mut entries {
            entry.as_object_mut().unwrap().remove("size");
        }
        Some(if entries.is_empty() { Answer::new(503, "") } else { listing(&entries) })
    }),
    ("no second page", |layout, request, answer| {
        let next = format!("<{}?page=2>; rel=\"next\"", request.path);
        Some(match (is_api(request), request.query.contains("page=")) {
            (true, true) => Answer::new(404, ""),
            (true, false) => listing(&referrers(layout, request)).with("Link", next),
            _ => answer,
        })
    }),
    ("pages in a circle", |layout, request, answer| {
        let next = format!("<{}>; rel=\"next\"", request.path);
        Some(if is_api(request) { listing(&referrers(layout, request)).with("Link", next) } else { answer })
    }),
    ("a forbidden tag", |_, request, answer| {
        Some(match (is_api(request), is_fallback_tag(request)) {
            (true, _) => Answer::new(404, ""),
            (_, true) => Answer::new(403, "{}"),
            _ => answer,
        })
    }),
    ("a malformed tag", |_, request, answer| {
        Some(match (is_api(request), is_fallback_tag(request)) {
            (true, _) => listing(&[]),
            (_, true) => Answer::new(200, "{\"manifests\":[").with("Content-Type", media_type::OCI_INDEX),
            _ => answer,
        })
    }),
    ("a tag in a page for people", |_, request, answer| {
        Some(match (is_api(request), is_fallback_tag(request)) {
            (true, _) => Answer::new(404, ""),
            (_, true) => Answer::new(200, "<html>").with("Content-Type", "text/html"),
            _ => answer,
        })
    }),
];

#[test]
fn a_listing_that_cannot_be_read_is_a_gap_and_never_unsigned() {
    for (what, change) in BROKEN {
        eprintln!("{what}");
        let published = Served::new(AGENT, ASSAY);
        let layout = Arc::clone(&published.layout);
        let server = published.serve(move |request, answer| change(&layout, request, answer));
        let _ = is_a_gap(&published, &server.host(), GapKind::Listing);
        let (found, text) = check(&published);
        let bundle = &found["bundles"][0];
        assert_eq!(
            (&bundle["completeness"], &bundle["missing"][0]["kind"]),
            (&json!("gaps-accepted"), &json!("listing"))
        );
        let image = &found["images"][0];
        // what the first pages list is carried
        let is_carried = what == "no second page" || what == "pages in a circle";
        assert_eq!(image["status"] == "passed", is_carried, "{image}");
        if !is_carried {
            assert_eq!(image["unsigned"], "not-listed");
        }
        assert!(!text.contains("CRL"), "{text}");
    }
}

/// What cannot be read may be a signature, whatever it is called.
#[test]
fn a_listed_manifest_that_cannot_be_read_is_a_gap() {
    for status in [403, 404, 500] {
        for artifact_type in [notary::media_type::SIGNATURE, SBOM] {
            let published = Served::new(AGENT, ASSAY);
            let layout = Arc::clone(&published.layout);
            let gone: Vec<String> = referrers(
                &layout,
                &Request { path: format!("/{}", published.index.digest), ..Request::default() },
            )
            .iter()
            .filter(|entry| entry["artifactType"] == artifact_type)
            .map(|entry| entry["digest"].as_str().unwrap().to_owned())
            .collect();
            assert!(!gone.is_empty());
            let server = published.serve(move |request, answer| {
                let is_gone = gone.iter().any(|digest| request.path.ends_with(digest.as_str()));
                Some(if is_gone { Answer::new(status, "") } else { answer })
            });
            let _ = is_a_gap(&published, &server.host(), GapKind::Signature);
        }
    }
}

/// A registry with so many other artifacts of so many bytes beside the signatures.
fn crowded(others: usize, bytes: usize) -> (Served, Server) {
    let mut published = Served::new(AGENT, ASSAY);
    let subject = published.index.clone();
    let layout = Arc::get_mut(&mut published.layout).unwrap();
    let config = layout.add(media_type::OCI_EMPTY, b"{}".to_vec());
    for number in 0..others {
        let manifest = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [],
            "artifactType": SBOM, "subject": subject, "annotations": { "n": format!("{}{number}", " ".repeat(bytes)) } });
        layout.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes());
    }
    let server = one_page(&published);
    (published, server)
}

/// A registry that lists everything on one page, which is made once.
fn one_page(published: &Served) -> Server {
    let (layout, root) = (Arc::clone(&published.layout), published.index.digest.clone());
    let subjects = Manifest::parse(layout.blob(&root)).unwrap().manifests.into_iter().map(|one| one.digest);
    let pages: Vec<(String, Answer)> = subjects
        .chain([root.clone()])
        .map(|subject| {
            let path = format!("/v2/team/app/referrers/{subject}");
            let request = Request { path: path.clone(), ..Request::default() };
            (path, listing(&referrers(&layout, &request)))
        })
        .collect();
    Server::start(move |request| {
        let page = pages.iter().find(|(path, _)| *path == request.path);
        Some(page.map_or_else(|| answer(&layout, &root, 1, request), |(_, page)| page.clone()))
    })
}

#[test]
fn what_is_not_read_of_many_referrers_is_a_gap() {
    // three signatures and the SBOM that is there already
    let (published, server) = crowded(limits::REFERRERS_PER_IMAGE - 4, 0);
    let _ = published.create(&server.host(), &[]).expect_code(0);
    published.passes();
    let (published, server) = crowded(limits::REFERRERS_PER_IMAGE - 3, 0);
    let _ = is_a_gap(&published, &server.host(), GapKind::Listing);
    assert_eq!(document(&published).images[0].signatures, 2, "those of the index are read first");

    let large = usize::try_from(limits::MANIFEST_BYTES).unwrap() - 1_000;
    let fitting = usize::try_from(limits::REFERRER_BYTES_PER_IMAGE / limits::MANIFEST_BYTES).unwrap();
    let (published, server) = crowded(fitting - 1, large);
    let _ = published.create(&server.host(), &[]).expect_code(0);
    let (published, server) = crowded(fitting, large);
    let _ = is_a_gap(&published, &server.host(), GapKind::Listing);
    let (published, server) = crowded(1, large + 2_000);
    let _ = is_a_gap(&published, &server.host(), GapKind::Listing);
}

#[test]
fn signatures_that_no_verifier_would_try_are_a_gap() {
    let mut published = Served::new(AGENT, ASSAY);
    let layout = Arc::get_mut(&mut published.layout).unwrap();
    for number in 0..limits::SIGNATURES_PER_IMAGE - 1 {
        let envelope = number.to_string().into_bytes();
        let _ = layout.add_signature(&published.index, Format::Jws, envelope, &[], "2026-06-01T00:00:00Z");
    }
    let server = one_page(&published);
    let _ = is_a_gap(&published, &server.host(), GapKind::Signature);
    assert_eq!(document(&published).images[0].signatures as usize, limits::SIGNATURES_PER_IMAGE + 1);
}

/// What claims to be a signature and is not a good one does not make the image unsigned at the source.
#[test]
fn an_image_with_a_flawed_signature_alone_is_not_called_unsigned() {
    for huge in [false, true] {
        let mut published = Served::new(AGENT, ASSAY);
        let layout = Arc::get_mut(&mut published.layout).unwrap();
        let signatures: Vec<Digest> = layout
            .digests()
            .into_iter()
            .filter(|digest| Manifest::parse(layout.blob(digest)).is_ok_and(|one| one.subject.is_some()))
            .collect();
        signatures.iter().for_each(|digest| layout.remove(digest));
        let size = if huge { limits::ENVELOPE_BYTES + 1 } else { 1 };
        let flawed = layout.add_signature(
            &published.index,
            Format::Jws,
            vec![b' '; size],
            &[],
            "2026-06-01T00:00:00Z",
        );
        if !huge {
            let mut manifest: Value = serde_json::from_slice(layout.blob(&flawed.digest)).unwrap();
            let envelope = manifest["layers"][0].clone();
            manifest["layers"].as_array_mut().unwrap().push(envelope);
            layout.remove(&flawed.digest);
            layout.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes());
        }
        let server = one_page(&published);
        let done = published.create(&server.host(), &[]).expect_code(0);
        assert!(!done.stderr.contains("unsigned"), "{}", done.stderr);
        assert_eq!(document(&published).images[0].signatures, u64::from(!huge));
        let image = &check(&published).0["images"][0];
        let expected = if huge { ("no-signature", json!("not-carried")) } else { ("integrity", Value::Null) };
        assert_eq!((image["reason"].as_str().unwrap(), image["unsigned"].clone()), expected);
    }
}

/// A listed signature that cannot be read is named, and its image is not called unsigned.
#[test]
fn a_signature_that_is_not_a_manifest_is_named() {
    let published = Served::new(AGENT, ASSAY);
    for bytes in [&b"{\"subject\":1}"[..], b"{\"config\":null,\"config\":null}", b"signature"] {
        let digest = Digest::sha256(bytes);
        let entry = json!({ "mediaType": media_type::OCI_MANIFEST, "digest": digest, "size": bytes.len(),
            "artifactType": notary::media_type::SIGNATURE });
        let server = published.serve(move |request, answer| {
            let is_it = request.path.ends_with(digest.as_str());
            Some(match (is_api(request), is_it) {
                (true, _) => listing(std::slice::from_ref(&entry)),
                (_, true) => Answer::new(200, bytes),
                _ => answer,
            })
        });
        let done = published.create(&server.host(), &[]).expect_code(0);
        assert!(!done.stderr.contains("unsigned"), "{}", done.stderr);
        assert_eq!(check(&published).0["images"][0]["unsigned"], "not-carried");
    }
}

/// A manifest that a node has by itself and whose index cannot be had: who knows whether that is signed.
#[test]
fn an_index_that_cannot_be_asked_for_is_a_gap() {
    for (status, is_gap) in [(404, false), (403, true), (500, true)] {
        let published = Served::new(AGENT, ASSAY);
        let platform =
            Manifest::parse(published.layout.blob(&published.index.digest)).unwrap().manifests.remove(0);
        let server = published.serve(move |request, answer| {
            Some(if request.path.ends_with("/manifests/v1") { Answer::new(status, "") } else { answer })
        });
        let mut command = published.bundle_create();
        command.args(["--retries", "0", "--plain-http", &server.host()]);
        command.arg("--image").arg(format!("{}/team/app:v1@{}", server.host(), platform.digest));
        let done = finish(&mut command);
        if is_gap {
            published.is_not_written(done);
        } else {
            let _ = done.expect_code(0);
        }
    }
}

/// A layout whose index and fallback listing give signatures other types, and call an SBOM a signature.
#[test]
fn the_agent_finds_a_signature_in_a_layout_whatever_it_is_listed_as() {
    for lie in LIES {
        for nested in [false, true] {
            let published = artifacts();
            let mut layout = (*published.layout).clone();
            let request = Request { path: format!("/{}", published.index.digest), ..Request::default() };
            let entries = referrers(&layout, &request).into_iter().map(|mut entry| {
                let is_sbom = entry["artifactType"] == SBOM;
                entry["artifactType"] =
                    if is_sbom { notary::media_type::SIGNATURE.into() } else { json!(lie) };
                serde_json::from_value::<Descriptor>(entry).unwrap()
            });
            let entries: Vec<Descriptor> = entries.collect();
            layout.name(&published.index, "registry.example.test/team/app:v1");
            if nested {
                let index = layout.add_index(false, &entries);
                let tag = format!("sha256-{}", published.index.digest.hex());
                layout.name(&index, &format!("registry.example.test/team/app:{tag}"));
            } else {
                entries.into_iter().for_each(|entry| layout.list(entry));
            }
            let report = verify(&published, &layout);
            assert_eq!(report.images.iter().map(verdict).collect::<Vec<_>>(), ["passed"], "{lie:?} {nested}");
        }
    }
    // The name alone does not make it a signature.
    let published = Served::new(AGENT, ASSAY);
    let mut layout = (*published.layout).clone();
    let request = Request { path: format!("/{}", published.index.digest), ..Request::default() };
    for mut entry in referrers(&layout, &request) {
        if entry["artifactType"] == SBOM {
            entry["artifactType"] = notary::media_type::SIGNATURE.into();
            layout.list(serde_json::from_value(entry).unwrap());
        }
    }
    layout.name(&published.index, "registry.example.test/team/app:v1");
    let report = verify(&published, &layout);
    assert_eq!(report.images.iter().map(verdict).collect::<Vec<_>>(), ["failed/no-signature"]);
}

/// What lists a signature under a wrong media type does not hide it from `slim` where something else lists it rightly.
#[test]
fn a_slim_copy_keeps_a_signature_that_is_also_listed_wrongly() {
    let published = artifacts();
    let mut layout = (*published.layout).clone();
    let request = Request { path: format!("/{}", published.index.digest), ..Request::default() };
    for entry in referrers(&layout, &request) {
        let entry: Descriptor = serde_json::from_value(entry).unwrap();
        layout.list(Descriptor { media_type: media_type::OCI_INDEX.to_owned(), ..entry.clone() });
        layout.list(entry);
    }
    layout.name(&published.index, "registry.example.test/team/app:v1");
    layout.write(&published.path("layout")).unwrap();
    let mut slim = Command::new(ASSAY);
    slim.args(["bundle", "slim"]).arg(published.path("layout")).arg("--out").arg(published.path("slim"));
    let _ = finish(&mut slim).expect_code(0);
    let mut command = Command::new(AGENT);
    command.args(["verify", "--at", AT, "--trust"]).arg(published.path("trust"));
    command.arg("--store").arg(format!("layout:{}", published.path("store").display()));
    let _ = finish(command.arg("--signatures").arg(published.path("slim"))).expect_code(0);
}

/// A layout that lacks the envelope of a signature: the slim copy does not claim to be complete, another layout may have it.
#[test]
fn an_envelope_that_a_layout_lacks_is_a_gap() {
    let published = artifacts();
    let whole = {
        let mut layout = (*published.layout).clone();
        let request = Request { path: format!("/{}", published.index.digest), ..Request::default() };
        for entry in referrers(&layout, &request) {
            layout.list(serde_json::from_value(entry).unwrap());
        }
        layout.name(&published.index, "registry.example.test/team/app:v1");
        layout
    };
    let mut sparse = whole.clone();
    let envelope =
        |manifest: &Manifest| manifest.subject.as_ref().and_then(|_| manifest.layers.first().cloned());
    let gone =
        whole.digests().into_iter().find_map(|digest| envelope(&Manifest::parse(whole.blob(&digest)).ok()?));
    sparse.remove(&gone.unwrap().digest);
    for (name, layout) in [("whole", &whole), ("sparse", &sparse)] {
        layout.write(&published.path(name)).unwrap();
    }
    let completeness = |layouts: &[&str]| {
        let mut merge = Command::new(ASSAY);
        merge.args(["bundle", "merge"]).args(layouts.iter().map(|name| published.path(name)));
        let _ = finish(merge.arg("--out").arg(published.path("site.tar"))).expect_code(0);
        document(&published).completeness
    };
    assert_eq!(completeness(&["sparse", "sparse"]), Completeness::GapsAccepted);
    assert_eq!(completeness(&["sparse", "whole"]), Completeness::Complete);
}

fn verify(published: &Served, layout: &Layout) -> assay_report::NodeReport {
    let folder = tempfile::tempdir().unwrap();
    layout.write(folder.path()).unwrap();
    let mut command = Command::new(AGENT);
    command.args(["verify", "--at", AT, "--trust"]).arg(published.path("trust"));
    finish(command.arg("--store").arg(format!("layout:{}", folder.path().display()))).report()
}

/// What crane before 0.22.1 copies from one real registry to another: signatures in the form with an `artifactType` get an entry
/// under the fallback tag that gives the config's type.
#[test]
fn what_an_old_crane_copied_is_carried() {
    let (Some(oras), Some(crane)) = (oras(), crane_old()) else { return };
    for to in [Some(Registry::debian("")), Registry::with_referrers()].into_iter().flatten() {
        let published = artifacts();
        let from = Registry::debian("");
        published.push(&oras, &from.host(), &["--to-plain-http"]);
        let mut copied = 0;
        let copy = |what: &str, tag: &str| {
            let [source, target] = [&from, &to].map(Registry::host);
            let mut command = Command::new(&crane);
            command.args(["copy", &format!("{source}/team/app{what}"), &format!("{target}/team/app:{tag}")]);
            let _ = finish(&mut command).expect_code(0);
        };
        copy(":v1", "v1");
        for digest in published.layout.digests() {
            let manifest = Manifest::parse(published.layout.blob(&digest));
            if manifest.is_ok_and(|one| one.artifact_type.as_deref() == Some(notary::media_type::SIGNATURE)) {
                copied += 1;
                copy(&format!("@{digest}"), &format!("signature-{copied}"));
            }
        }
        assert_eq!(copied, 3);
        let _ = published.create(&to.host(), &[]).expect_code(0);
        published.passes();
    }
}
