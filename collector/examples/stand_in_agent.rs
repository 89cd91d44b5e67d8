//! A program that stands in for the agent where a test is about the visit and not about the verdict: it judges nothing,
//! and misbehaves as `--store` says. Never part of a release.

#![expect(
    clippy::disallowed_methods,
    reason = "the collector's rules are not for what stands in for its agent"
)]

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use assay_report::{
    Agent, Asked, BundleInput, Content, ContentMode, Coverage, Image, Inputs, NODE_REPORT_SCHEMA, Namespace,
    Node, NodeReport, Omitted, Reason, Run, Status, Summary, TrustPolicyInput, Via,
};
use assay_verifier::oci::Digest;
use assay_verifier::time::UnixTime;

/// What CI systems obey in what a step prints.
const COMMANDS: &str = "##vso[task.complete result=Succeeded]
::stop-commands::x
 ##teamcity[buildStatus status='SUCCESS'] ##[group]";

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_str) != Some("verify") {
        println!("stand-in");
        return 0.into();
    }
    let values = |option: &str| {
        let prefix = format!("--{option}=");
        arguments.iter().filter_map(move |argument| argument.strip_prefix(&prefix).map(str::to_owned))
    };
    let store = values("store").next().unwrap_or_default();
    let behaviour = store.strip_prefix("layout:").unwrap_or(&store);
    let asked = Asked {
        nonce: values("nonce").next(),
        accept: Via::ALL
            .into_iter()
            .filter(|via| values("accept").any(|value| value == via.as_str()))
            .collect(),
        content: ContentMode::ALL
            .into_iter()
            .find(|mode| values("content").any(|value| value == mode.as_str()))
            .unwrap_or_default(),
        evidence: arguments.iter().any(|argument| argument == "--evidence"),
        at: values("at").next().and_then(|at| UnixTime::parse(&at).ok()),
        ..Asked::default()
    };
    let mut report =
        report(&values("run-id").next().unwrap_or_default(), values("signatures"), asked, &store);
    let mut exit = 0;
    match behaviour {
        "garbage" => {
            print!("\u{1b}[2J<html>");
            return 0.into();
        }
        "silence" => {
            eprintln!("nothing to say");
            return 3.into();
        }
        "usage" => {
            eprintln!("error: the trust policy is \u{1b}[31mwrong");
            return 2.into();
        }
        "commands" => {
            eprintln!("{COMMANDS}");
            return 2.into();
        }
        "commands-in-names" => {
            report.images[0].references = vec![format!("{COMMANDS}/a:1")];
            report.images[0].message = Some(COMMANDS.to_owned());
            report.node.hostname = Some(COMMANDS.to_owned());
        }
        "oversized" => {
            let chunk = vec![b' '; 1 << 20];
            loop {
                if std::io::stdout().write_all(&chunk).is_err() {
                    return 0.into();
                }
            }
        }
        "hang" => std::thread::sleep(Duration::from_secs(3600)),
        "halt" => halt(),
        "large" => {
            let hex = |number: u32| Digest::sha256(&number.to_be_bytes()).hex().to_owned();
            report.inputs.warnings = (0..40_000).map(hex).collect();
        }
        "slow" => std::thread::sleep(Duration::from_secs(5)),
        "killed" => kill(std::process::id()),
        "hang-up" => {
            kill(session_of(std::process::id()));
            std::thread::sleep(Duration::from_secs(3600));
        }
        "left-behind" => {
            let mut child = Command::new(std::env::current_exe().expect("own path"));
            child.args(["verify", "--store=layout:hang"]).stdout(std::process::Stdio::null());
            let _child = child.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn();
        }
        "endless-complaint" => {
            let chunk = vec![b'!'; 1 << 16];
            while std::io::stderr().write_all(&chunk).is_ok() {}
        }
        "foreign-agent" => report.agent.sha256 = Some("0".repeat(64)),
        "foreign-node" => report.node.os = "windows".to_owned(),
        "foreign-bundle" => {
            report.inputs.bundles.iter_mut().for_each(|bundle| bundle.sha256 = "0".repeat(64));
        }
        "yesterday" => {
            let day = Duration::from_secs(86_400);
            report.run.verified_at = report.run.verified_at.earlier(day).expect("a clock");
        }
        "twice" => report.images.push(image(Status::Failed, Some(Reason::NoSignature))),
        "deep" => {
            print!("{{\"schema\":{}", "[".repeat(10_000_000));
            return 0.into();
        }
        "many-values" => report.coverage.namespaces = vec![String::new(); 15_000_000],
        "escapes" => {
            report.node.hostname = Some("\u{1b}]0;owned\u{7}\u{202e}".to_owned());
            report.images[0].references = vec!["\u{1b}[2J\u{1b}[31mregistry.example.test/a:1".to_owned()];
        }
        "long-name" => report.images[0].references = vec!["n".repeat(5_000_000)],
        "foreign-visit" => asked_of(&mut report).nonce = Some("0".repeat(32)),
        "foreign-options" => asked_of(&mut report).images = ["registry.example.test/a:1".to_owned()].into(),
        "no-options" => report.asked = None,
        "foreign-store" => report.inputs.store = "layout:elsewhere".to_owned(),
        "shortcut" => report.images[0].via = Some(Via::PlatformManifest),
        "same-shortcut" => {
            asked_of(&mut report).accept = [Via::PlatformManifest].into();
            report.images[0].via = Some(Via::PlatformManifest);
        }
        "unhashed" => report.images[0].content.mode = ContentMode::None,
        "same-machine-1" | "same-machine-2" => report.node.machine_id = Some("5ca1ab1e".repeat(4)),
        "foreign-run" => report.run.id = "20260101T000000Z-0000000000000000".to_owned(),
        "failed" => {
            report.images = vec![image(Status::Failed, Some(Reason::NoSignature))];
            exit = 1;
        }
        "wrong-exit" => exit = 1,
        "empty" => {
            report.images.clear();
            exit = 3;
        }
        _ => {}
    }
    report.summary = Summary::count(report.images.iter().map(|image| image.status));
    if behaviour == "wrong-counts" {
        report.summary.passed = 7;
    }
    if behaviour == "unfinished" {
        let text = serde_json::to_string(&report).expect("a report is JSON");
        print!("{}", text.get(..text.len() / 2).unwrap_or_default());
        return 0.into();
    }
    if behaviour == "twice" {
        exit = 1;
    }
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
    exit.into()
}

fn asked_of(report: &mut NodeReport) -> &mut Asked {
    report.asked.as_mut().expect("a report says what was asked")
}

fn report(run: &str, bundles: impl Iterator<Item = String>, asked: Asked, store: &str) -> NodeReport {
    let hash = |path: &str| Digest::sha256(&std::fs::read(path).unwrap_or_default()).hex().to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let now = UnixTime::from_seconds(i64::try_from(now.as_secs()).expect("a clock")).expect("a clock");
    let (time, content) = (asked.at.unwrap_or(now), asked.content);
    NodeReport {
        schema: NODE_REPORT_SCHEMA.into(),
        run: Run { id: run.to_owned(), started: time, finished: time, verified_at: time },
        agent: Agent { version: "0".into(), target: "stand-in".into(), sha256: Some(hash("/proc/self/exe")) },
        node: Node {
            hostname: Some("stand-in".into()),
            machine_id: None,
            os: "linux".into(),
            architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }.into(),
            containerd: None,
        },
        asked: Some(asked),
        inputs: Inputs {
            store: store.to_owned(),
            trust_policy: TrustPolicyInput { sha256: hash("trust/trustpolicy.json") },
            trust_store: Vec::new(),
            bundles: bundles.map(|path| BundleInput { sha256: hash(&path), signatures: 0 }).collect(),
            crls: Vec::new(),
            unusable_evidence: Vec::new(),
            warnings: Vec::new(),
            omitted: Omitted::default(),
        },
        coverage: Coverage::default(),
        images: vec![Image {
            content: Content { mode: content, ..Content::default() },
            ..image(Status::Passed, None)
        }],
        summary: Summary::default(),
        carried: Vec::new(),
        omitted: Omitted::default(),
    }
}

fn image(status: Status, reason: Option<Reason>) -> Image {
    Image {
        namespace: Namespace::new("k8s.io"),
        references: vec!["registry.example.test/a:1".into()],
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        size: 1,
        platforms: vec!["linux/amd64".into()],
        status,
        reason,
        ..Image::unjudged(Digest::sha256(b"a"))
    }
}

/// Waits where the test of faults says so.
fn halt() {
    let (asked, said) = ("/mnt/halt", "/mnt/halted");
    if std::fs::read_to_string(asked).is_ok_and(|step| step == "agent") {
        let _ = std::fs::remove_file(asked);
        let _ = std::fs::write(said, "");
        while std::fs::exists(said).is_ok_and(|there| there) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The sshd process whose connection this is: the nearest ancestor of that name.
fn session_of(mut process: u32) -> u32 {
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc");
        let (name, rest) = stat.rsplit_once(") ").expect("/proc/*/stat");
        if name.contains("(sshd") {
            return process;
        }
        process = rest.split(' ').nth(1).and_then(|parent| parent.parse().ok()).expect("a parent");
    }
}

fn kill(process: u32) {
    let _ = Command::new("kill").args(["-9", &process.to_string()]).status();
}
