//! The five steps of README, as they stand there, on a real sshd and containerd: a site is proven, and the evidence holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use assay_fixtures::certificate::{Credential, Extension, Name, Profile};
use assay_fixtures::envelope::{Format, Signing};
use assay_fixtures::image::{Image, linux_here};
use assay_fixtures::keys::Key;
use assay_fixtures::layout::Layout;
use assay_fixtures::revocation_list::RevocationList;
use assay_report::{SiteReport, Status};
use assay_tests::containerd::{Containerd, KUBERNETES};
use assay_tests::http::{Answer, Server};
use assay_tests::program::finish;
use assay_tests::registry::answer;
use assay_tests::sshd::Sshd;
use assay_verifier::time::UnixTime;
use serde_json::json;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const COLLECTOR: &str = env!("CARGO_BIN_EXE_collector-under-test");
const README: &str = include_str!("../../README.md");

#[test]
fn the_five_steps_prove_a_site() {
    let folder = tempfile::tempdir().unwrap();
    let root = authority();
    let crl = RevocationList::new(1, time("2026-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
    let crl = crl.sign(&root);
    let crls = Server::start(move |_| Some(Answer::new(200, crl.clone())));
    let signer = signer(&root, &format!("http://{}/crl", crls.host()));

    let mut published = Layout::new();
    let image = Image::of_text(linux_here(), "app", "app").add_to(&mut published);
    let mut store = published.clone();
    let signed_at = "2026-06-01T00:00:00Z";
    let envelope = Signing::new(&signer, &image, time(signed_at)).envelope(Format::Cose);
    published.add_signature(&image, Format::Cose, envelope, &signer.chain, signed_at);
    let target = image.digest.clone();
    let registry = Server::start(move |request| Some(answer(&published, &target, 100, request)));
    let host = registry.host();

    let (containerd, sshd) = (Containerd::start(), Sshd::start());
    store.name(&image, &format!("{host}/team/app:v1"));
    containerd.import(KUBERNETES, &store);
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("root.crt", root.pem());
    write("nodes.json", nodes());
    write("keys.txt", format!("node-1 {}\n", sshd.fingerprint()));

    // What a reader's site has and the test does not, and the reverse.
    let replacements = [
        ("registry.example.test", host.clone()),
        ("bundle create", format!("bundle create --plain-http {host} --crl-from 127.0.0.1")),
        (
            "--user clouduser",
            format!(
                "--no-ssh-config --user root --port {} --identity '{}'",
                sshd.port(),
                sshd.identity().display()
            ),
        ),
        ("assay run", format!("assay run --no-ssh-config --agent '{AGENT}'")),
        ("assay ", format!("'{COLLECTOR}' ")),
    ];
    let mut commands = 0;
    for line in steps().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        assert!(line.starts_with("assay "), "{line}");
        let command =
            replacements.iter().fold(line.to_owned(), |line, (from, to)| line.replacen(from, to, 1));
        run(folder.path(), &command);
        if line.starts_with("assay nodes") {
            let site = folder.path().join("site.toml");
            let text = fs::read_to_string(&site).unwrap();
            fs::write(site, format!("{text}store = \"{}\"\n", containerd.store())).unwrap();
        }
        commands += 1;
    }
    assert_eq!(commands, 8);

    let report = fs::read(folder.path().join("reports/report.json")).unwrap();
    let report: SiteReport = serde_json::from_slice(&report).unwrap();
    let statuses: Vec<Status> = report
        .nodes
        .iter()
        .flat_map(|node| node.report.iter().flat_map(|report| &report.images))
        .map(|image| image.status)
        .collect();
    assert_eq!(statuses, [Status::Passed]);
}

/// The lines of README's shell block.
fn steps() -> impl Iterator<Item = &'static str> {
    let section = README.split("\n## A site in five steps").nth(1).unwrap();
    section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().lines()
}

#[track_caller]
fn run(folder: &Path, command: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).env("DOCKER_CONFIG", "none");
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        shell.env_remove(proxy);
    }
    let _ = finish(&mut shell).expect_code(0);
}

/// What the API server lists: one node.
fn nodes() -> String {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": "node-1", "labels": { "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" } },
        "status": { "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }] },
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": [node] }).to_string()
}

fn authority() -> Credential {
    let name = Name::new("Acme", "Acme Root CA");
    let profile = Profile::ca(name, 1, time("2024-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
    Credential::self_signed(&profile, &Key::named("p256-a"))
}

fn signer(root: &Credential, crl: &str) -> Credential {
    let name = Name::new("Acme", "Acme Image Signing");
    let profile = Profile::signer(name, 2, time("2024-01-01T00:00:00Z"), time("2070-01-01T00:00:00Z"));
    root.issue(&profile.with(Extension::crl_distribution_points(&[crl])), &Key::named("p256-c"))
}

fn time(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}
