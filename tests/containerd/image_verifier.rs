//! Runs `assay-agent image-verifier` where containerd calls it: what may be pulled, and what is refused and then not
//! there. Also runs the program alone, asked as containerd asks.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assay::bundle::{BundleContent, Staging};
use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux, linux_here};
use assay_report::bundle::LockedImage;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::packages::go_program;
use assay_tests::program::{Finished, finish};
use assay_tests::published::{AT, GOOD, Published, reference};
use assay_tests::registry::Registry;
use assay_verifier::oci::{Descriptor, Digest, Manifest};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// What containerd's flag says that standard input is.
const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";

/// Images, and a node's `/etc/assay`, containerd's folder of verifiers and its folder of registries.
struct Site {
    published: Published,
}

impl Site {
    fn new(published: Published) -> Self {
        published.write();
        let site = Self { published };
        for folder in ["etc/assay/bundles", "bin", "named"] {
            fs::create_dir_all(site.path(folder)).unwrap();
        }
        fs::rename(site.path("trust"), site.path("etc/assay/trust")).unwrap();
        fs::rename(site.path("bundle"), site.path("etc/assay/bundles/signatures")).unwrap();
        symlink(AGENT, site.path("named/assay-image-verifier")).unwrap();
        // the site's folder and its day stand in for the machine's; what containerd asked and was told is kept
        let folder = site.path("");
        let folder = folder.display();
        let script = format!(
            "#!/bin/sh\n\
             unshare --mount sh -c 'mount --bind {folder}/etc /etc && exec {folder}/named/assay-image-verifier \"$@\" --at {AT}' \
             sh \"$@\" >{folder}/reason\n\
             code=$?\n\
             echo $code >{folder}/code\n\
             cat {folder}/reason\n\
             exit $code\n"
        );
        fs::write(site.verifier(), script).unwrap();
        fs::set_permissions(site.verifier(), fs::Permissions::from_mode(0o755)).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.published.path(name)
    }

    fn verifier(&self) -> PathBuf {
        self.path("bin/verifier")
    }

    /// What the verifier answered when it was last asked: exit code and reason; `None` if it was not.
    fn answer(&self) -> Option<(i32, String)> {
        let code = fs::read_to_string(self.path("code")).ok()?.trim().parse().unwrap();
        fs::remove_file(self.path("code")).unwrap();
        Some((code, fs::read_to_string(self.path("reason")).unwrap()))
    }

    /// Asks the verifier as containerd would.
    fn ask(&self, name: &str, target: &Descriptor, more: &[&str]) -> Finished {
        let stdin = serde_json::to_string(target).unwrap() + "\n";
        let arguments = containerd_says(name, target.digest.as_str());
        with_stdin(Command::new(self.verifier()).args(arguments).args(more), &stdin)
    }

    /// Asks the verifier as containerd with `verify_on_run` would before a container runs.
    fn ask_before_run(&self, name: &str, target: &Descriptor) -> Finished {
        let annotations = serde_json::json!({ "io.kubernetes.cri.container-name": "app" });
        let stdin =
            serde_json::json!({ "descriptor": target, "operation": "run", "annotations": annotations })
                .to_string();
        let mut arguments = containerd_says(name, target.digest.as_str()).to_vec();
        *arguments.last_mut().unwrap() = "application/vnd.containerd.image-verifier.input.v1+json";
        with_stdin(Command::new(self.verifier()).args(arguments).args(["-operation", "run"]), &stdin)
    }

    /// Adds a bundle that locks a name to an image.
    fn lock(&self, name: &str, digest: Digest, target: &Descriptor) {
        let locked = LockedImage {
            reference: name.to_owned(),
            digest,
            media_type: target.media_type.clone(),
            size: target.size,
            signatures: 1,
        };
        let staging = Staging::open(&self.path("etc/assay/bundles/lock.tar")).unwrap();
        staging.finish(BundleContent { images: vec![locked], ..BundleContent::default() }, None).unwrap();
    }
}

fn containerd_says<'a>(name: &'a str, digest: &'a str) -> [&'a str; 6] {
    ["-name", name, "-digest", digest, "-stdin-media-type", DESCRIPTOR]
}

fn with_stdin(command: &mut Command, stdin: &str) -> Finished {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program refuses its arguments and reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Finished { code: output.status.code(), stdout: output.stdout, stderr }
}

/// That the answer is one line which begins with the verdict.
#[track_caller]
fn expect(done: Finished, code: i32, verdict: &str) {
    let text = done.expect_code(code).text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with(verdict), "{text}");
}

/// What containerd 2 is asked to pull: a name, its signatures, the exit code and how the reason begins.
const PULLS: &[(&str, &[Signature], i32, &str)] = &[
    ("team/signed", &[GOOD], 0, "passed: "),
    ("team/second-is-good", &[Signature::OtherAuthority, GOOD], 0, "passed: "),
    ("site-tools/node-shell", &[], 0, "skipped: "),
    ("team/unsigned", &[], 1, "failed (no-signature): "),
    ("team/tampered", &[Signature::Tampered], 1, "failed (integrity): "),
    ("team/other-authority", &[Signature::OtherAuthority], 1, "failed (authenticity): "),
    ("team/other-identity", &[Signature::OtherIdentity], 1, "failed (authenticity): "),
    ("team/expired", &[Signature::Expired], 1, "failed (expiry): "),
    ("team/of-another", &[Signature::OfAnotherImage], 1, "failed (descriptor-mismatch): "),
    ("team/locked", &[GOOD], 1, "failed (wrong-digest): "),
];

fn published() -> Published {
    let mut published = Published::new(AGENT);
    for (name, signatures, ..) in PULLS {
        published.image(name, signatures);
    }
    let platforms = ["amd64", "arm64"].map(|architecture| {
        Image::of_text(linux(architecture), "app", "multi").add_to(&mut published.images)
    });
    let index = published.images.add_index(true, &platforms);
    published.publish("team/multi", &index, &[GOOD]);
    published
}

/// A node with containerd 2 that asks the verifier, and a registry that has what was published.
struct Node {
    site: Site,
    registry: Registry,
    containerd: Containerd,
}

impl Node {
    fn new(kubernetes: bool) -> Self {
        let site = Site::new(published());
        let locked = site.target("team/locked");
        site.lock(&reference("team/locked"), Digest::sha256(b"another image"), &locked);

        let registry = Registry::debian("");
        let publisher = Containerd::start();
        publisher.import(KUBERNETES, &site.published.images);
        for (name, ..) in PULLS.iter().chain([&("team/multi", &[][..], 0, "")]) {
            let remote = format!("{}/{name}:v1", registry.host());
            let push = ["images", "push", "--plain-http", &remote, &reference(name)];
            let _ = publisher.ctr(push).expect_code(0);
        }

        let hosts = site.path("hosts/registry.example.test");
        fs::create_dir_all(&hosts).unwrap();
        fs::write(hosts.join("hosts.toml"), format!("server = \"http://{}\"\n", registry.host())).unwrap();
        let more = format!(
            "[plugins.\"io.containerd.image-verifier.v1.bindir\"]\n\
             bin_dir = \"{}\"\n\
             per_verifier_timeout = \"60s\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".registry]\n\
             config_path = \"{}\"\n",
            site.path("bin").display(),
            site.path("hosts").display()
        );
        let containerd = Containerd::configured(Release::Two, kubernetes, &more);
        Self { site, registry, containerd }
    }

    fn pull(&self, name: &str, more: &[&str]) -> Finished {
        let hosts = self.site.path("hosts").display().to_string();
        let first = ["images", "pull", "--hosts-dir", &hosts];
        self.containerd.ctr([&first, more, &[&reference(name)]].concat())
    }

    /// Whether the node has the image: its name, or the bytes of its manifest.
    fn has(&self, name: &str) -> (bool, bool) {
        let target = self.site.target(name);
        let named = !self.containerd.images_of(&target.digest).is_empty();
        let content = self.containerd.ctr(["content", "list", "--quiet"]).expect_code(0).text();
        (named, content.lines().any(|line| line == target.digest.as_str()))
    }

    /// That the verifier was asked, gave this answer, and what the node has is in keeping with it.
    #[track_caller]
    fn expect(&self, pulled: &Finished, name: &str, code: i32, verdict: &str) {
        let (said, reason) = self.site.answer().unwrap_or_else(|| panic!("not asked: {}", pulled.stderr));
        assert_eq!((said, reason.lines().count()), (code, 1), "{reason}");
        assert!(reason.starts_with(verdict), "{reason}");
        let admitted = code == 0;
        assert_eq!(pulled.code == Some(0), admitted, "{name}: {}", pulled.stderr);
        assert_eq!(self.has(name), (admitted, admitted), "{name}");
        // The person who pulls is told why.
        assert!(admitted || pulled.stderr.contains(verdict), "{}", pulled.stderr);
    }
}

impl Site {
    fn target(&self, name: &str) -> Descriptor {
        self.published.images.named(&reference(name)).expect("published").clone()
    }
}

#[test]
fn containerd_pulls_what_passes_and_nothing_else() {
    if !Release::Two.is_there() {
        return;
    }
    let node = Node::new(false);
    for (name, _, code, verdict) in PULLS {
        node.expect(&node.pull(name, &[]), name, *code, verdict);
    }
    node.expect(&node.pull("team/multi", &["--all-platforms"]), "team/multi", 0, "passed: ");
}

#[test]
fn containerd_pulls_nothing_where_trust_or_bundles_are_missing() {
    if !Release::Two.is_there() {
        return;
    }
    let node = Node::new(false);
    for missing in ["etc/assay/trust", "etc/assay/trust/trustpolicy.json", "etc/assay/bundles", "etc/assay"] {
        let (there, away) = (node.site.path(missing), node.site.path("away"));
        fs::rename(&there, &away).unwrap();
        // level skip asks for no signature, and is itself not known without the trust policy
        for name in ["team/signed", "site-tools/node-shell"] {
            node.expect(&node.pull(name, &[]), name, 2, "not judged: ");
        }
        fs::rename(&away, &there).unwrap();
    }
    // bundles without this image's signature
    fs::rename(node.site.path("etc/assay/bundles/signatures"), node.site.path("away")).unwrap();
    node.expect(&node.pull("team/signed", &[]), "team/signed", 1, "failed (no-signature): ");
    fs::rename(node.site.path("away"), node.site.path("etc/assay/bundles/signatures")).unwrap();
    node.expect(&node.pull("team/signed", &[]), "team/signed", 0, "passed: ");
}

/// What README says is not covered: containerd does not ask then.
#[test]
fn containerd_does_not_ask_where_a_client_pulls_or_images_are_imported() {
    if !Release::Two.is_there() {
        return;
    }
    let node = Node::new(false);
    let remote = format!("{}/team/unsigned:v1", node.registry.host());
    let _ = node.containerd.ctr(["images", "pull", "--local", "--plain-http", &remote]).expect_code(0);
    node.containerd.import("other", &node.site.published.images);
    assert!(node.site.answer().is_none());
    // An empty folder of verifiers means yes.
    fs::remove_file(node.site.verifier()).unwrap();
    let _ = node.pull("team/tampered", &[]).expect_code(0);
}

#[test]
fn kubernetes_pulls_what_passes_and_nothing_else() {
    let Some(crictl) = Release::Two.is_there().then(|| go_program("CRICTL", "crictl")).flatten() else {
        return;
    };
    let node = Node::new(true);
    let endpoint = format!("unix://{}", node.containerd.socket().display());
    for (name, _, code, verdict) in PULLS {
        let mut command = Command::new(&crictl);
        command.args([
            "--runtime-endpoint",
            &endpoint,
            "--image-endpoint",
            &endpoint,
            "pull",
            &reference(name),
        ]);
        node.expect(&finish(&mut command), name, *code, verdict);
    }
}

#[test]
fn the_program_answers_with_its_exit_code_and_one_line() {
    let site = Site::new(published());
    let locked = site.target("team/locked");
    site.lock(&reference("team/locked"), Digest::sha256(b"another image"), &locked);
    for (name, _, code, verdict) in PULLS {
        expect(site.ask(&reference(name), &site.target(name), &[]), *code, verdict);
        expect(site.ask_before_run(&reference(name), &site.target(name)), *code, verdict);
    }
    // The name chooses the policy, and a signature is for one descriptor.
    let signed = site.target("team/signed");
    expect(site.ask("elsewhere.example.test/site-tools/node-shell:v1", &signed, &[]), 0, "passed: ");
    let other_size = Descriptor { size: signed.size + 1, ..signed.clone() };
    expect(site.ask(&reference("team/signed"), &other_size, &[]), 1, "failed (no-signature): ");

    let by_digest = format!("registry.example.test/team/signed@{}", signed.digest);
    expect(site.ask(&by_digest, &signed, &[]), 0, "passed: ");
    expect(site.ask(&by_digest, &locked, &[]), 2, "not judged: ");
    expect(site.ask("signed:v1", &signed, &[]), 2, "not judged: ");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let site = Site::new(published());
    let signed = site.target("team/signed");
    let bundle = &site.published.bundle;
    let envelope = bundle.digests().into_iter().find_map(|digest| {
        let manifest = Manifest::parse(bundle.blob(&digest)).ok()?;
        (manifest.subject?.digest == signed.digest).then(|| manifest.layers[0].digest.clone())
    });
    // A folder in place of a blob exists and has no bytes.
    let envelope = site.path("etc/assay/bundles/signatures/blobs/sha256").join(envelope.unwrap().hex());
    fs::remove_file(&envelope).unwrap();
    fs::create_dir(&envelope).unwrap();
    expect(site.ask(&reference("team/signed"), &signed, &[]), 3, "inconclusive (unreadable): ");

    fs::write(site.path("etc/assay/bundles/half.tar"), "half").unwrap();
    expect(site.ask(&reference("team/signed"), &signed, &[]), 2, "not judged: ");
}

#[test]
fn what_containerd_never_says_is_refused() {
    let site = Site::new(published());
    let (name, signed) = (reference("team/signed"), site.target("team/signed"));
    let stdin = serde_json::to_string(&signed).unwrap();
    let digest = signed.digest.as_str();
    let says = containerd_says(&name, digest);
    let mut other_type = says;
    other_type[5] = "application/json";
    for (arguments, stdin) in [
        (&says[..], ""),
        (&says, "{}"),
        (&says, &stdin.repeat(2)),
        (&says, &stdin.replace(&digest[7..9], "zz")),
        (&says, &format!("{stdin}{}", " ".repeat(100_000))),
        (&containerd_says(&name, "sha256:0"), &stdin),
        (&containerd_says("-h", digest), &stdin),
        (&containerd_says("--help", digest), &stdin),
        (&other_type, &stdin),
        (&says[..4], &stdin),
        (&[&says[..], &["-more", "x"]].concat(), &stdin),
    ] {
        expect(with_stdin(Command::new(site.verifier()).args(arguments), stdin), 2, "not judged: ");
    }
    // Help does not mean yes, and neither does a program under an unknown name.
    let verifier = site.path("named/assay-image-verifier");
    for (program, arguments) in [
        (verifier.as_path(), &["--help"][..]),
        (Path::new(AGENT), &["image-verifier", "--help"]),
        (Path::new(AGENT), &says),
    ] {
        let _ = with_stdin(Command::new(program).args(arguments), &stdin).expect_code(2);
    }
}

#[test]
fn a_script_may_name_trust_bundles_and_what_else_is_accepted() {
    let mut published = Published::new(AGENT);
    let here = linux_here();
    let image = |published: &mut Published, text: &str| {
        [here.clone(), linux("s390x")].map(|of| Image::of_text(of, "app", text).add_to(&mut published.images))
    };
    let of_index = image(&mut published, "of-index");
    let index = published.images.add_index(false, &of_index);
    published.publish("team/index", &index, &[GOOD]);
    let of_platforms = image(&mut published, "of-platforms");
    let platforms = published.images.add_index(false, &of_platforms);
    let half = image(&mut published, "half");
    let half_signed = published.images.add_index(false, &half);
    for signed in [&of_platforms[0], &of_platforms[1], &half[0]] {
        published.publish("team/platform", signed, &[GOOD]);
    }
    for index in [&index, &platforms, &half_signed] {
        let images = published.images.clone();
        published.bundle.copy(&images, index, |_| false);
        published.bundle.list(index.clone());
    }
    let site = Site::new(published);
    let ask = |target: &Descriptor, accept: &[&str]| {
        let stdin = serde_json::to_string(target).unwrap();
        let name = format!("registry.example.test/team/app@{}", target.digest);
        let mut command = Command::new(AGENT);
        command.args(["image-verifier", "--at", AT, "--trust"]).arg(site.path("etc/assay/trust"));
        command.arg("--signatures").arg(site.path("etc/assay/bundles/signatures"));
        command.args(accept.iter().flat_map(|via| ["--accept", via]));
        with_stdin(command.args(containerd_says(&name, target.digest.as_str())), &stdin)
    };
    expect(ask(&index, &[]), 0, "passed: ");
    expect(ask(&of_index[0], &[]), 1, "failed (no-signature): ");
    expect(ask(&of_index[0], &["parent-index"]), 0, "passed: ");
    expect(ask(&platforms, &["parent-index"]), 1, "failed (no-signature): ");
    expect(ask(&platforms, &["platform-manifest"]), 0, "passed: ");
    // Any of them may be pulled, so all of them must be signed.
    expect(ask(&half_signed, &["platform-manifest"]), 1, "failed (no-signature): ");
}
