//! Sample reports for tests and for the example program `sample-report`: a small site with every kind of image, a node of every
//! outcome, names that attack their reader, and sites of any size. Nothing is random: the same call gives the same report.

mod parts;

use assay_report::*;
use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

use parts::*;

/// 2026-11-22T10:00:00Z, when every sample begins.
const BEGIN: i64 = 1_795_341_600;
const DAY: i64 = 86_400;

/// A control plane, a Linux and a Windows worker, all verified, with every status and every reason.
pub(crate) fn site() -> SiteReport {
    let mut shared = Vec::new();
    for (name, tag) in [("kube-proxy", "v1.34.2"), ("coredns", "v1.12.1"), ("pause", "3.10")] {
        shared.push(passed(image(&format!("kubernetes/{name}")), tag));
    }
    let mut control_plane = shared.clone();
    for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        control_plane.push(passed(image(&format!("kubernetes/{name}")), "v1.34.2"));
    }
    control_plane.push(passed(image("kubernetes/etcd"), "3.6.4-0"));
    let mut ledger = passed(image("shop/ledger"), "1.9.3");
    ledger.in_use.iter_mut().for_each(|container| container.drift = Some(dropped()));
    control_plane.push(ledger);
    control_plane.push(skipped(image("tools/debug"), "latest"));
    control_plane.push(failed(image("shop/gateway"), "5.0.1", Reason::Authenticity));

    let mut linux = shared;
    linux.push(failed(image("shop/gateway"), "5.0.1", Reason::Authenticity));
    linux.push(failed(image("shop/ledger"), "1.9.3", Reason::ContentMismatch));
    linux.push(skipped(image("tools/debug"), "latest"));
    linux.push(inconclusive(image("shop/report-api"), "3.2.0", Reason::Unreadable));
    for (name, tag, reason) in [
        ("shop/payments", "2.4.1", Reason::NoSignature),
        ("shop/cart", "2.4.1", Reason::NoSignature),
        ("lab/scratch", "dev", Reason::Policy),
        ("shop/legacy", "0.9.0", Reason::Expiry),
        ("shop/batch", "1.1.0", Reason::AuthenticTimestamp),
        ("shop/mailer", "1.0.2", Reason::Integrity),
        ("shop/search", "7.4.0", Reason::DescriptorMismatch),
        ("shop/images", "4.4.4", Reason::WrongDigest),
        ("shop/worker", "2.0.0", Reason::RootfsMismatch),
        ("shop/old-job", "1.0.0", Reason::InUseUnlisted),
        ("shop/huge", "1.0.0", Reason::Limit),
    ] {
        linux.push(failed(image(name), tag, reason));
    }

    let mut pause = passed(image("kubernetes/pause"), "3.10");
    pause.platforms = vec!["windows/amd64".into()];
    let mut servercore = passed(image("windows/servercore"), "ltsc2022");
    servercore.via = Some(Via::ParentIndex);
    let windows = vec![pause, servercore, failed(image("shop/iis-front"), "7.1.0", Reason::Revocation)];

    let [linux, control_plane] =
        [linux, control_plane].map(|images| images.into_iter().map(with_custody).collect());
    let mut worker = node("worker-1", "linux", &[], linux);
    worker.clean_up = CleanUp {
        result: CleanUpResult::Failed,
        folder: Some("/var/tmp/assay-5f1c9e2b7a40".into()),
        message: Some("the node still has 1 file: Device or resource busy".into()),
    };
    if let Some(report) = &mut worker.report {
        report
            .coverage
            .unreadable
            .push(Unreadable { what: "namespace buildkit".into(), why: "permission denied".into() });
        report.coverage.unlisted.push(Unlisted {
            namespace: Namespace::new("k8s.io"),
            kind: "container".into(),
            id: "4be0643f1d98c3a2".into(),
            name: Some("registry.example.test/shop/old-job:1.0.0".into()),
        });
        report.inputs.warnings.push("crls/old.crl is stale: its next update was due 2026-10-01".into());
    }
    let nodes = vec![
        worker,
        node("cp-1", "linux", &["control-plane"], control_plane),
        node("win-1", "windows", &[], windows),
    ];
    report("01KAPX3M8Q", nodes)
}

/// [`site`] with a waiver of every state.
pub(crate) fn waived() -> SiteReport {
    let waiver = |image: &str, reason: &str, days| Waiver {
        image: image.into(),
        node: None,
        codes: vec![Reason::NoSignature, Reason::ContentMismatch],
        reason: reason.into(),
        approver: "J. Doe, platform security".into(),
        expires: time(days * DAY),
        state: WaiverState::Unused,
        images: 0,
    };
    let mut waivers = SiteWaivers::new(
        hex("waivers"),
        time(0),
        vec![
            waiver("registry.example.test/shop/payments", "the vendor signs from 3.0 on", 39),
            waiver("registry.example.test/shop/cart", "was to be replaced in October", -12),
            waiver("registry.example.test/shop/nothing", "not deployed any more", 100),
        ],
    );
    let site = site();
    let mut nodes = site.nodes;
    nodes.iter_mut().for_each(|row| waivers.apply(row));
    let mut report = SiteReport::new(site.run, site.collector, site.inputs, nodes);
    report.waivers = Some(waivers);
    report
}

/// [`site`] a week earlier, with a change of every kind: images that are now newly failing, fixed, new and gone, and a node that
/// is gone.
pub(crate) fn earlier() -> SiteReport {
    let mut report = report("01KANQ0A5W", site().nodes);
    (report.run.started, report.run.finished) = (time(-7 * DAY), time(-7 * DAY + 40));
    for image in report.nodes.iter_mut().filter_map(|row| row.report.as_mut()).flat_map(|own| &mut own.images)
    {
        if image.references.iter().any(|name| name.contains("shop/ledger")) {
            (image.status, image.reason) = (Status::Passed, None);
        }
        if image.references.iter().any(|name| name.contains("kubernetes/coredns")) {
            (image.status, image.reason) = (Status::Failed, Some(Reason::NoSignature));
        }
    }
    for own in report.nodes.iter_mut().filter_map(|row| row.report.as_mut()) {
        own.images.retain(|image| !image.references.iter().any(|name| name.contains("shop/batch")));
        own.images.push(passed(image("shop/retired"), "1.0.0"));
        own.images
            .sort_by(|one, other| (&one.namespace, &one.digest).cmp(&(&other.namespace, &other.digest)));
    }
    let mut nodes = report.nodes;
    nodes.push(node("worker-0", "linux", &[], vec![passed(image("kubernetes/pause"), "3.10")]));
    SiteReport::new(report.run, report.collector, report.inputs, nodes)
}

/// One node of every outcome, a node without images, and one clean-up of every result.
pub(crate) fn every_outcome() -> SiteReport {
    let mut nodes = Vec::new();
    for outcome in Outcome::ALL {
        let images = vec![passed(image("kubernetes/pause"), "3.10")];
        let mut row = node(&format!("node-{}", outcome.as_str()), "linux", &[], images);
        row.outcome = outcome;
        if outcome != Outcome::Verified {
            row.report = None;
            row.attempts = 3;
            row.message =
                Some(format!("what the collector found out about a node that is {}", outcome.as_str()));
            row.clean_up.result = CleanUpResult::NotNeeded;
        }
        if outcome == Outcome::TimedOut {
            row.clean_up.result = CleanUpResult::Unknown;
        }
        nodes.push(row);
    }
    nodes.push(node("node-empty", "linux", &[], Vec::new()));
    report("01KAPX3M8R", nodes)
}

/// A verified node whose images all passed.
pub(crate) fn all_passed() -> SiteReport {
    let images = vec![passed(image("kubernetes/pause"), "3.10"), passed(image("shop/ledger"), "1.9.3")];
    report("01KAPX3M8S", vec![node("cp-1", "linux", &["control-plane"], images)])
}

/// Names that a hostile node, registry or operator may use.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>document.title='owned'</script>",
    "</script><img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=alert(1)>",
    "' onmouseover='document.title=1",
    "]]></failure></testcase><testcase name=\"green\"/>",
    "&lt;b&gt; &amp; {{ 7*7 }} {% include \"x\" %}",
    "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{9b}31m\u{90}q",
    "a\0b\r\nFAKE LINE passed\t",
    "gnp.\u{202e}dessap\u{2066}\u{2069}",
    "\u{feff}\u{200b}\u{ad}zero width",
    "\u{fffe}\u{ffff}\u{fdd0}",
    "z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}",
    "</style><style>body{display:none}</style>",
    "<!--",
    "javascript:alert(1)",
    "%n%s../../../etc/passwd",
    "",
];

/// [`site`] and nodes on which every free text is hostile. The last text is very long.
pub(crate) fn hostile() -> SiteReport {
    let long = "very-long-".repeat(2_000);
    let texts: Vec<&str> = HOSTILE.iter().copied().chain([long.as_str()]).collect();
    let mut nodes = site().nodes;
    for (at, text) in texts.iter().copied().enumerate() {
        let owned = || Some(text.to_owned());
        let mut images = Vec::new();
        for (status, reason) in [
            (Status::Failed, Some(Reason::NoSignature)),
            (Status::Inconclusive, Some(Reason::Unreadable)),
            (Status::Skipped, None),
            (Status::Passed, None),
        ] {
            let mut image = signed(image(&format!("hostile-{at}-{status:?}")), "v1");
            image.status = status;
            image.reason = reason;
            image.references = vec![text.to_owned()];
            image.namespace = Namespace::new(text);
            image.media_type = text.to_owned();
            image.platforms = vec![text.to_owned()];
            image.message = owned();
            image.hint = owned();
            image.policy = owned();
            image.in_use = vec![ContainerUse {
                pod: owned(),
                pod_namespace: owned(),
                container: owned(),
                id: text.to_owned(),
                drift: Some(drift(text)),
                custody: Some(custody(text, LinkState::Broken)),
            }];
            image.content.mismatched = vec![Mismatch {
                digest: digest("blob"),
                media_type: text.to_owned(),
                found: text.to_owned(),
            }];
            image.rootfs = Some(Rootfs {
                snapshots: 1,
                differing: vec![text.to_owned()],
                why: Some(text.to_owned()),
                findings: vec![RootfsFinding {
                    path: text.to_owned(),
                    kind: RootfsDifference::Changed,
                    layer: None,
                    snapshot: text.to_owned(),
                    before: Some(text.to_owned()),
                    after: Some(text.to_owned()),
                }],
                ..Rootfs::default()
            });
            for signature in &mut image.signatures {
                signature.source = text.to_owned();
                signature.envelope = owned();
                signature.policy = owned();
                signature.signer = owned();
                signature.user_metadata = [(text.to_owned(), text.to_owned())].into();
                signature.checks.expiry.code = owned();
                signature.checks.expiry.message = owned();
                signature.checks.revocation.result = CheckResult::Failed;
                signature.checks.revocation.code = owned();
                signature.target.code = owned();
                signature.target.message = owned();
                for certificate in &mut signature.chain {
                    certificate.subject = text.to_owned();
                }
                if let Some(timestamp) = &mut signature.timestamp {
                    timestamp.tsa = text.to_owned();
                }
            }
            images.push(image);
        }
        let mut row = node(text, text, &[text], images);
        row.address = owned();
        row.message = owned();
        row.hint = owned();
        row.host_key = owned();
        row.clean_up = CleanUp { result: CleanUpResult::Failed, folder: owned(), message: owned() };
        if let Some(report) = &mut row.report {
            report.agent.version = text.to_owned();
            report.agent.target = text.to_owned();
            report.node.hostname = owned();
            report.node.machine_id = owned();
            report.node.containerd = owned();
            report.inputs.store = text.to_owned();
            report.inputs.warnings = vec![text.to_owned()];
            for certificate in &mut report.inputs.trust_store {
                certificate.name = text.to_owned();
                certificate.subject = text.to_owned();
            }
            for crl in &mut report.inputs.crls {
                crl.issuer = text.to_owned();
            }
            report.coverage.namespaces = vec![text.to_owned()];
            report.coverage.unlisted = vec![Unlisted {
                namespace: Namespace::new(text),
                kind: "container".into(),
                id: text.to_owned(),
                name: owned(),
            }];
            report.coverage.unreadable = vec![Unreadable { what: text.to_owned(), why: text.to_owned() }];
            report.coverage.cross_check.findings = vec![Contradiction {
                code: text.to_owned(),
                effect: Effect::Inconclusive,
                namespace: Namespace::new(text),
                id: text.to_owned(),
                message: text.to_owned(),
            }];
        }
        nodes.push(row);
        let mut unreached = node(&format!("{text}-unreached"), text, &[], Vec::new());
        unreached.outcome = Outcome::Unreachable;
        unreached.report = None;
        unreached.message = owned();
        nodes.push(unreached);
    }
    let mut report = report("<script>run</script>\u{1b}[31m", nodes);
    for file in &mut report.inputs.bundles {
        file.name = "<img src=x onerror=alert(1)>\u{202e}".into();
    }
    report
}

/// A sample of each kind, the last of them a [`large`] one.
#[cfg(test)]
pub(crate) fn all(nodes: usize, images: usize) -> Vec<SiteReport> {
    vec![site(), waived(), every_outcome(), all_passed(), hostile(), large(nodes, images)]
}

/// `nodes` nodes with `images` images each. Two of three images are on every node, the others on some nodes. One image in a
/// hundred has a problem everywhere, one more on one node in fifty. One node in fifty is not verified.
pub(crate) fn large(nodes: usize, images: usize) -> SiteReport {
    let common = images * 2 / 3;
    let pool: Vec<Image> = (0..images * 3 / 2)
        .map(|at| {
            let image = image(&format!("team-{:02}/service-{at:04}", at % 23));
            let tag = format!("1.{}.{}", at % 7, at % 11);
            match at % 100 {
                13 => failed(image, &tag, Reason::NoSignature),
                57 if at % 200 == 57 => skipped(image, &tag),
                57 => failed(image, &tag, Reason::Revocation),
                _ => passed(image, &tag),
            }
        })
        .collect();
    let rows = (0..nodes).map(|at| {
        let some = (0..images - common).map(|turn| common + (at * 31 + turn * 7) % (pool.len() - common));
        let mut chosen: Vec<usize> = (0..common).chain(some).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let images = chosen.into_iter().map(|chosen| {
            let image = pool[chosen].clone();
            if at % 50 == 7 && chosen % 100 == 31 {
                return tampered(image);
            }
            image
        });
        let roles: &[&str] = if at < 3 { &["control-plane"] } else { &[] };
        let os = if at % 10 == 9 { "windows" } else { "linux" };
        let mut row = node(&format!("node-{at:04}"), os, roles, images.collect());
        if at % 50 == 33 {
            row.outcome = if at % 100 == 33 { Outcome::Unreachable } else { Outcome::HostKeyMismatch };
            row.message = Some("connection timed out after 10 s".into());
            row.report = None;
            row.clean_up.result = CleanUpResult::NotNeeded;
        }
        row
    });
    report("01KAPX3M8T", rows.collect())
}

/// `nodes` nodes with `images` images each. No image is on two nodes, which is the worst case for reports that say everything
/// once.
pub(crate) fn apart(nodes: usize, images: usize) -> SiteReport {
    let rows = (0..nodes).map(|at| {
        let own = (0..images).map(|turn| {
            let image = image(&format!("node-{at:04}/service-{turn:04}"));
            if turn % 100 == 13 { failed(image, "1", Reason::NoSignature) } else { passed(image, "1") }
        });
        node(&format!("node-{at:04}"), "linux", &[], own.collect())
    });
    report("01KAPX3M8V", rows.collect())
}

/// `image` with a blob that was changed on the node.
fn tampered(mut image: Image) -> Image {
    let blob = digest("layer");
    image.status = Status::Failed;
    image.reason = Some(Reason::ContentMismatch);
    image.message = Some(format!("blob {blob} has other bytes than its digest says"));
    image.hint = Some("keep the node's store as evidence".into());
    image.content.mismatched = vec![Mismatch {
        digest: blob,
        media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
        found: Digest::sha256(b"tampered").as_str().into(),
    }];
    image
}

/// An image that has not been judged, with a digest made from `name`.
pub(crate) fn image(name: &str) -> Image {
    let digest = digest(name);
    Image {
        namespace: Namespace::new("k8s.io"),
        references: vec![format!("registry.example.test/{name}")],
        media_type: "application/vnd.oci.image.index.v1+json".into(),
        size: 1_613,
        platforms: vec!["linux/amd64".into()],
        in_use: vec![ContainerUse {
            pod: Some(format!("{}-7d4b9c", name.rsplit('/').next().unwrap_or(name))),
            pod_namespace: Some("default".into()),
            container: Some("main".into()),
            id: digest.hex()[..16].to_owned(),
            ..ContainerUse::default()
        }],
        content: Content {
            mode: ContentMode::Full,
            checked: 9,
            bytes: 48_234_496,
            absent: 1,
            mismatched: Vec::new(),
        },
        ..Image::unjudged(digest)
    }
}

fn passed(image: Image, tag: &str) -> Image {
    Image { status: Status::Passed, ..signed(image, tag) }
}

fn skipped(image: Image, tag: &str) -> Image {
    let image = tagged(image, tag);
    Image {
        status: Status::Skipped,
        policy: Some("tools-unsigned".into()),
        message: Some("the trust policy says skip for this repository".into()),
        ..image
    }
}

fn inconclusive(image: Image, tag: &str, reason: Reason) -> Image {
    Image {
        status: Status::Inconclusive,
        reason: Some(reason),
        message: Some("the config of linux/amd64 is not on the node".into()),
        hint: Some("pull the image again".into()),
        ..signed(image, tag)
    }
}

fn failed(image: Image, tag: &str, reason: Reason) -> Image {
    let mut image = match reason {
        Reason::ContentMismatch => return tampered(signed(image, tag)),
        Reason::NoSignature | Reason::Policy | Reason::InUseUnlisted => tagged(image, tag),
        _ => signed(image, tag),
    };
    image.status = Status::Failed;
    image.reason = Some(reason);
    image.hint = match reason {
        Reason::NoSignature => {
            Some("its parent index is signed: --accept parent-index would let it pass".into())
        }
        Reason::Authenticity => {
            Some("add CN=Someone Else to the trusted identities if it is the right signer".into())
        }
        _ => None,
    };
    image.message = Some(match reason {
        Reason::NoSignature => "no signature in the store or in 1 bundle".into(),
        Reason::RootfsMismatch => {
            image.rootfs = Some(Rootfs {
                snapshots: 1,
                differing: vec!["/usr/bin/worker".into(), "/etc/passwd".into()],
                ..Rootfs::default()
            });
            "2 files differ from the signed layers".into()
        }
        Reason::Policy => "no statement's registry scopes name registry.example.test/lab/scratch".into(),
        Reason::Authenticity => "the signer is none of the trusted identities of site-images".into(),
        Reason::Revocation => {
            "certificate CN=Example Signing was revoked on 2026-11-02: key compromise".into()
        }
        Reason::Expiry => "the signature expired on 2026-06-30".into(),
        Reason::WrongDigest => "the bundle's lock says another digest for this reference".into(),
        other => format!("the particulars of {}", other.as_str()),
    });
    for signature in &mut image.signatures {
        let checks = &mut signature.checks;
        let fails = |code: &str| Check {
            result: CheckResult::Failed,
            action: Action::Enforce,
            code: Some(code.into()),
            message: Some(format!("the particulars of {code}")),
        };
        match reason {
            Reason::Integrity => {
                *checks = not_run();
                checks.integrity = fails("envelope-too-large");
            }
            Reason::Authenticity => {
                signature.signer = Some("CN=Someone Else,O=Elsewhere,C=US".into());
                let integrity = Check::passed(Action::Enforce);
                *checks = Checks { integrity, authenticity: fails("untrusted-identity"), ..not_run() };
            }
            Reason::AuthenticTimestamp => checks.authentic_timestamp = fails("timestamp-missing"),
            Reason::Expiry => checks.expiry = fails("signature-expired"),
            Reason::Revocation => checks.revocation = fails("certificate-revoked"),
            Reason::DescriptorMismatch => {
                signature.target = Target {
                    result: CheckResult::Failed,
                    code: Some("other-target".into()),
                    message: Some("the payload names another digest".into()),
                }
            }
            _ => continue,
        }
        signature.status = Status::Failed;
        signature.reason = Some(reason);
    }
    image
}

fn not_run() -> Checks {
    Checks {
        integrity: Check::not_run(Action::Enforce),
        authenticity: Check::not_run(Action::Enforce),
        authentic_timestamp: Check::not_run(Action::Enforce),
        expiry: Check::not_run(Action::Enforce),
        revocation: Check::not_run(Action::Enforce),
    }
}

fn tagged(mut image: Image, tag: &str) -> Image {
    let repository = image.references.remove(0);
    image.references = vec![format!("{repository}:{tag}"), format!("{repository}@{}", image.digest)];
    image
}

fn signed(image: Image, tag: &str) -> Image {
    let mut image = tagged(image, tag);
    image.policy = Some("site-images".into());
    image.signatures = vec![Signature {
        digest: digest(&format!("signature of {}", image.digest)),
        source: "/var/tmp/assay-5f1c9e2b7a40/site.tar".into(),
        envelope: Some("application/cose".into()),
        policy: Some("site-images".into()),
        status: Status::Passed,
        reason: None,
        signer: Some("CN=Example Signing,O=Example Corporation,L=Redmond,ST=Washington,C=US".into()),
        chain: vec![
            certificate("CN=Example Signing,O=Example Corporation,L=Redmond,ST=Washington,C=US", 41),
            certificate("CN=Example Code Signing PCA 2011,O=Example Corporation,C=US", 900),
            certificate("CN=Example Root 2010,O=Example Corporation,C=US", 4_000),
        ],
        signing_time: Some(time(-30 * DAY)),
        timestamp: Some(Timestamp {
            time: time(-30 * DAY + 2),
            accuracy: 1.0,
            tsa: "CN=Example Time-Stamp Service,O=Example Corporation,C=US".into(),
        }),
        user_metadata: [("build".into(), "20261023.4".into())].into(),
        checks: Checks {
            integrity: Check::passed(Action::Enforce),
            authenticity: Check::passed(Action::Enforce),
            authentic_timestamp: Check::passed(Action::Enforce),
            expiry: Check::passed(Action::Enforce),
            revocation: Check::passed(Action::Enforce),
        },
        target: Target { result: CheckResult::Passed, code: None, message: None },
        omitted: Omitted::default(),
    }];
    image
}

fn certificate(subject: &str, days: i64) -> ChainCertificate {
    ChainCertificate { subject: subject.into(), sha256: hex(subject), not_after: time(days * DAY) }
}

/// A verified node that was left clean.
pub(crate) fn node(name: &str, os: &str, roles: &[&str], mut images: Vec<Image>) -> NodeRow {
    images.sort_by(|one, other| (&one.namespace, &one.digest).cmp(&(&other.namespace, &other.digest)));
    let summary = Summary::count(images.iter().map(|image| image.status));
    let report = NodeReport {
        schema: NODE_REPORT_SCHEMA.into(),
        run: Run { id: "01KAPX3M8Q".into(), started: time(3), finished: time(11), verified_at: time(3) },
        agent: Agent {
            version: "0.1.0".into(),
            target: if os == "windows" { "x86_64-pc-windows-gnu" } else { "x86_64-unknown-linux-gnu" }.into(),
            sha256: Some(hex(if os == "windows" { "agent.exe" } else { "agent" })),
        },
        node: Node {
            hostname: Some(name.into()),
            machine_id: Some(hex(name)[..32].to_owned()),
            os: os.into(),
            architecture: "amd64".into(),
            containerd: Some("2.1.4".into()),
        },
        asked: None,
        inputs: Inputs {
            store: "containerd:/run/containerd/containerd.sock".into(),
            trust_policy: TrustPolicyInput { sha256: hex("trust policy") },
            trust_store: vec![
                TrustedCertificate {
                    store_type: "ca".into(),
                    name: "supplychain".into(),
                    subject: "CN=Example Root 2010,O=Example Corporation,C=US".into(),
                    sha256: hex("CN=Example Root 2010,O=Example Corporation,C=US"),
                    not_after: time(4_000 * DAY),
                },
                TrustedCertificate {
                    store_type: "tsa".into(),
                    name: "esrp".into(),
                    subject: "CN=Example TSA Root 2010,O=Example Corporation,C=US".into(),
                    sha256: hex("tsa root"),
                    not_after: time(310 * DAY),
                },
            ],
            bundles: vec![BundleInput { sha256: hex("bundle"), signatures: 214 }],
            crls: vec![
                CrlInput {
                    issuer: "CN=Example Code Signing PCA 2011,O=Example Corporation,C=US".into(),
                    this_update: time(-20 * DAY),
                    next_update: Some(time(9 * DAY)),
                    sha256: hex("crl"),
                },
                CrlInput {
                    issuer: "CN=Example Old CA,O=Example Corporation,C=US".into(),
                    this_update: time(-400 * DAY),
                    next_update: Some(time(-52 * DAY)),
                    sha256: hex("old crl"),
                },
            ],
            unusable_evidence: Vec::new(),
            warnings: Vec::new(),
            omitted: Omitted::default(),
        },
        coverage: Coverage {
            namespaces: vec!["k8s.io".into()],
            images: images.len() as u64,
            containers: images.iter().map(|image| image.in_use.len() as u64).sum(),
            ..Coverage::default()
        },
        images,
        summary,
        carried: Vec::new(),
        omitted: Omitted::default(),
    };
    NodeRow {
        name: name.into(),
        address: Some("100.72.248.133".into()),
        os: Some(os.into()),
        roles: roles.iter().map(ToString::to_string).collect(),
        outcome: Outcome::Verified,
        message: None,
        hint: None,
        attempts: 1,
        started: Some(time(1)),
        finished: Some(time(14)),
        host_key: Some("SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDWiGuT1cJdkRLHfSs".into()),
        clock_skew: Some(0),
        asked: None,
        store: None,
        same_machine: None,
        clean_up: CleanUp {
            result: CleanUpResult::Removed,
            folder: Some("/var/tmp/assay-5f1c9e2b7a40".into()),
            message: None,
        },
        touched: Some(Touched {
            folder: "/var/tmp/assay-5f1c9e2b7a40".into(),
            before: Presence::Absent,
            sums_sha256: Some(hex(os)),
            after: Presence::Absent,
            asked: Some(time(14)),
        }),
        pod: None,
        report: Some(report),
        waived: Vec::new(),
    }
}

fn report(id: &str, nodes: Vec<NodeRow>) -> SiteReport {
    let run = SiteRun {
        id: id.into(),
        site: Some("store-42".into()),
        started: time(0),
        finished: time(42),
        left: None,
    };
    let sent = |name: &str, size| SentFile { name: name.into(), sha256: hex(name), size };
    let inputs = SiteInputs {
        agents: vec![sent("linux/amd64", 3_145_728), sent("windows/amd64", 3_407_872)],
        trust: Some(sent("trust.tar.gz", 18_432)),
        bundles: vec![sent("site.tar", 4_718_592)],
        image: None,
        placed: vec![PlacedFiles {
            platform: "linux/amd64".into(),
            sums_sha256: hex("linux"),
            files: vec![sent("assay-agent", 3_145_728), sent("bundles/site.tar", 4_718_592)],
        }],
    };
    SiteReport::new(run, "0.1.0".into(), inputs, nodes)
}

fn time(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(BEGIN + seconds).expect("the samples' times are in this century")
}

fn hex(text: &str) -> String {
    digest(text).hex().to_owned()
}
