//! Imports the agent's image that `assay kubernetes image` makes, and runs it as a pod would be: with a root directory that cannot be
//! written to, without a network, with few rights. What comes home in its frame is what the agent says on the node itself.

use std::fs;
use std::process::Command;

use assay_report::NodeReport;
use assay_report::frame::Reader;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::packages::need_root;
use assay_tests::program::finish;
use assay_tests::published::{AT, GOOD, Published, reference, verdicts};
use assay_tests::static_program::agent;

on_each_release! {
    the_agent_runs_from_its_image,
}

const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// What ctr leaves to containers, unless it is told otherwise.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

const NAME: &str = "registry.example.test/tools/assay:v1";

fn the_agent_runs_from_its_image(release: Release) {
    need_root();
    let mut published = Published::new(agent());
    published.image("team/signed", &[GOOD]);
    published.image("team/unsigned", &[]);
    published.write();
    let daemon = Containerd::of(release);
    daemon.import(KUBERNETES, &published.images);

    let archive = published.path("assay.tar");
    let mut image = Command::new(ASSAY);
    image.args(["kubernetes", "image", "--name", NAME, "--agent"]).arg(agent());
    image.arg("--trust").arg(published.path("trust")).arg("--bundle").arg(published.path("bundle"));
    let printed = finish(image.arg("--out").arg(&archive)).expect_code(0).text();
    let by_digest = printed.trim_end();
    let digest = by_digest.rsplit_once('@').unwrap().1;
    let _ = daemon.ctr(["images", "import", archive.to_str().unwrap()]).expect_code(0);
    let _ = daemon.ctr(["images", "tag", NAME, by_digest]).expect_code(0);
    let names = daemon.images_of(&digest.parse().unwrap());
    for name in [NAME, by_digest] {
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name}: {names:?}");
    }

    let socket = daemon.socket();
    let socket = socket.to_str().unwrap();
    let root = daemon.path("root");
    let message = published.path("message");
    fs::write(&message, "").unwrap();
    let bind = |source: &str, target: &str, options: &str| {
        format!("type=bind,src={source},dst={target},options=rbind:{options}")
    };
    let store = daemon.store();
    let id = format!("job-{}", daemon.path("").file_name().unwrap().to_string_lossy().replace('.', "-"));
    let images = ["--image", &reference("team/signed"), "--image", &reference("team/unsigned")];
    let verify = ["verify", "--trust", "/assay/trust", "--signatures", "/assay/bundles/0.tar", "--at", AT];
    let job = ["/assay-agent", "job", "--node-name", "node-1", "--scratch", "/scratch", "--termination-log"];
    let mounts = [
        bind(socket, socket, "ro"),
        bind(root.to_str().unwrap(), root.to_str().unwrap(), "ro"),
        bind("/etc/machine-id", "/etc/machine-id", "ro"),
        bind(message.to_str().unwrap(), "/message", "rw"),
        "type=tmpfs,dst=/scratch,options=mode=0700".to_owned(),
    ];
    let mut run: Vec<&str> = vec!["run", "--rm", "--read-only", "--memory-limit", "67108864", "--seccomp"];
    run.extend(CAPABILITIES.iter().flat_map(|capability| ["--cap-drop", *capability]));
    run.extend(mounts.iter().flat_map(|mount| ["--mount", mount.as_str()]));
    run.extend([NAME, &id]);
    run.extend(job);
    run.extend(["/message", "--"]);
    run.extend(verify);
    run.extend(["--store", &store].iter().chain(&images));
    let done = daemon.ctr(run);
    let mut reader = Reader::default();
    reader.push(&done.stdout);
    let log = reader.finish(&fs::read_to_string(&message).unwrap());
    let framed = log.report.unwrap_or_else(|error| panic!("{error}: {done:?}"));
    assert_eq!((done.code, framed.exit), (Some(1), 1));
    let report: NodeReport = serde_json::from_slice(&framed.bytes).unwrap();
    assert_eq!(report.node.hostname.as_deref(), Some("node-1"));

    // the same on the node itself
    let own = published.verify(&store, &images).expect_code(1).report();
    assert_eq!(verdicts(&report), verdicts(&own));
    assert_eq!((report.node.machine_id, report.agent), (own.node.machine_id, own.agent));
    assert_eq!((report.summary.passed, report.summary.failed), (1, 1));
}
