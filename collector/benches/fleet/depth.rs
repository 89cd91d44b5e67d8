//! Real nodes, as far as one machine has them: an sshd in a network namespace each, the real agent, a small image store. What
//! the procedure does by hand is done three ways: by `assay run`, by a loop of `ssh` and `scp`, and with pssh.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{agent, collector, key, scratch, size};

const DEMO: &[u8] = include_bytes!("../../../fixtures/demo/site.tar");

/// How many at once, where there are several.
const AT_ONCE: usize = 8;

pub(crate) fn measure() {
    let folder = scratch();
    let bench = Bench::new(folder.path(), size("FLEET_PEERS", 12));
    println!(
        "{} real nodes, an sshd in a network namespace each; the same agent, trust, bundle and store",
        bench.nodes.len()
    );
    let one = bench.assay("one", 1);
    let many = bench.assay("many", AT_ONCE);
    let by_hand = bench.script("a loop of ssh and scp", &bench.by_hand());
    let pssh = bench.script("pssh", &bench.pssh());
    println!("  | how | seconds | beside assay run, as many at once |\n  |---|---|---|");
    for (how, took, beside) in [
        ("assay run, one at a time".to_owned(), Some(one), one),
        ("a loop of ssh and scp, one at a time".to_owned(), by_hand, one),
        (format!("assay run, {AT_ONCE} at once"), Some(many), many),
        (format!("pssh, {AT_ONCE} at once"), pssh, many),
    ] {
        match took {
            Some(took) => println!(
                "  | {how} | {:.1} | {:.2} |",
                took.as_secs_f64(),
                took.as_secs_f64() / beside.as_secs_f64()
            ),
            None => println!("  | {how} | NOT RUN | |"),
        }
    }
    println!();
}

struct Node {
    namespace: String,
    address: String,
    sshd: Child,
}

struct Bench {
    folder: PathBuf,
    nodes: Vec<Node>,
    at: String,
}

impl Bench {
    fn new(folder: &Path, nodes: usize) -> Self {
        let path = |name: &str| folder.join(name);
        tar::Archive::new(DEMO).unpack(folder).expect("the demo's site");
        // A bundle is one file here too.
        sh(&format!("tar -cf {0}/bundle.tar -C {0}/bundle .", folder.display()));
        strip(&agent(), &path("assay-agent"));
        key(&path("host"));
        key(&path("identity"));
        fs::write(
            path("sshd_config"),
            format!(
                "HostKey {0}/host\nPort 22\nAuthorizedKeysFile {0}/identity.pub\nPidFile none\nUsePAM no\nStrictModes no\n\
                 PermitRootLogin prohibit-password\nMaxStartups 100\nSubsystem sftp internal-sftp\n",
                folder.display()
            ),
        )
        .expect("room");
        fs::create_dir_all("/run/sshd").expect("root");
        let at = fs::read_to_string(path("at")).expect("the demo's time").trim().to_owned();
        let nodes = (0..nodes).map(|number| Node::start(&path("sshd_config"), number)).collect();
        let bench = Self { folder: folder.to_owned(), nodes, at };
        bench.write();
        bench
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn write(&self) {
        let host = fs::read_to_string(self.folder.join("host.pub")).expect("a key");
        let mut known = String::new();
        let mut site = "[defaults]\nknown_hosts = \"known_hosts\"\nidentity = \"identity\"\n".to_owned();
        for (number, node) in self.nodes.iter().enumerate() {
            let store = self.path("nodes/moc-lk82mz0dw5r/store");
            let _ = write!(known, "{} {host}", node.address);
            let _ = write!(
                site,
                "[[node]]\nname = \"node-{number:02}\"\naddress = \"{}\"\nstore = \"layout:{store}\"\n",
                node.address
            );
        }
        fs::write(self.folder.join("known_hosts"), known).expect("room");
        fs::write(self.folder.join("site.toml"), site).expect("room");
        let hosts: Vec<&str> = self.nodes.iter().map(|node| node.address.as_str()).collect();
        fs::write(self.folder.join("hosts"), hosts.join("\n") + "\n").expect("room");
    }

    fn assay(&self, out: &str, at_once: usize) -> Duration {
        let mut command = collector();
        command.args(["run", "--quiet", "--at", &self.at, "--concurrency"]).arg(at_once.to_string());
        for (option, name) in [
            ("--site", "site.toml"),
            ("--trust", "trust"),
            ("--bundle", "bundle.tar"),
            ("--agent", "assay-agent"),
            ("--out", out),
        ] {
            command.arg(option).arg(self.path(name));
        }
        let began = Instant::now();
        let output = command.output().expect("the collector");
        let took = began.elapsed();
        let gathered = fs::read_dir(self.folder.join(out).join("nodes")).map_or(0, Iterator::count);
        // Some images of the demo's node are wrong, and the agent must say so.
        let judged = output.status.code() == Some(1) && gathered == self.nodes.len();
        assert!(judged, "{}", String::from_utf8_lossy(&output.stderr));
        took
    }

    /// What `ssh` and `scp` need to know.
    fn options(&self) -> String {
        format!(
            "-q -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={} -o IdentitiesOnly=yes -i {}",
            self.path("known_hosts"),
            self.path("identity")
        )
    }

    /// What the agent is told on a node.
    fn verify(&self) -> String {
        format!(
            "cd /var/tmp/by-hand && ./assay-agent verify --store layout:{} --trust trust --signatures bundle.tar --at {} --output report.json; [ $? -lt 2 ]",
            self.path("nodes/moc-lk82mz0dw5r/store"),
            self.at
        )
    }

    /// The procedure's steps, one node after the other.
    fn by_hand(&self) -> String {
        format!(
            "set -e; mkdir -p {out}; for h in $(cat {hosts}); do \
             ssh {options} root@$h 'mkdir -m 700 /var/tmp/by-hand'; \
             scp {options} -r {agent} {trust} {bundle} root@$h:/var/tmp/by-hand/; \
             ssh {options} root@$h '{verify}'; \
             scp {options} root@$h:/var/tmp/by-hand/report.json {out}/$h.json; \
             ssh {options} root@$h 'rm -rf /var/tmp/by-hand'; done",
            options = self.options(),
            hosts = self.path("hosts"),
            agent = self.path("assay-agent"),
            trust = self.path("trust"),
            bundle = self.path("bundle.tar"),
            verify = self.verify(),
            out = self.path("by-hand"),
        )
    }

    /// The same steps with pssh, several nodes at once.
    fn pssh(&self) -> String {
        let common = format!("-p {AT_ONCE} -t 0 -l root -h {} -x '{}'", self.path("hosts"), self.options());
        format!(
            "set -e; mkdir -p {out}; exec >/dev/null; \
             parallel-ssh {common} 'mkdir -m 700 /var/tmp/by-hand'; \
             for f in {agent} {trust} {bundle}; do parallel-scp {common} -r $f /var/tmp/by-hand/; done; \
             parallel-ssh {common} '{verify}'; \
             parallel-slurp {common} -L {out} /var/tmp/by-hand/report.json report.json; \
             parallel-ssh {common} 'rm -rf /var/tmp/by-hand'",
            out = self.path("pssh"),
            agent = self.path("assay-agent"),
            trust = self.path("trust"),
            bundle = self.path("bundle.tar"),
            verify = self.verify(),
        )
    }

    fn script(&self, what: &str, script: &str) -> Option<Duration> {
        let began = Instant::now();
        let output = Command::new("bash").arg("-c").arg(script).stdin(Stdio::null()).output().ok()?;
        if !output.status.success() {
            println!("  {what}: {}", String::from_utf8_lossy(&output.stderr).trim());
            return None;
        }
        Some(began.elapsed())
    }
}

impl Node {
    /// A network namespace with one address, its own file system places, and an sshd in it.
    fn start(config: &Path, number: usize) -> Self {
        let id = format!("{}-{number}", std::process::id());
        let namespace = format!("assay-{id}");
        let (near, far) = (format!("an{id}"), format!("af{id}"));
        let (here, address) = (format!("10.213.{number}.1"), format!("10.213.{number}.2"));
        sh(&format!(
            "set -e; ip netns add {namespace}; ip link add {near} type veth peer name {far} netns {namespace}; \
             ip addr add {here}/30 dev {near}; ip link set {near} up; \
             ip -n {namespace} addr add {address}/30 dev {far}; ip -n {namespace} link set {far} up; ip -n {namespace} link set lo up"
        ));
        let places =
            "for d in /var/tmp /run; do mount -t tmpfs -o mode=1777 tmpfs $d; done; mkdir -p /run/sshd";
        let sshd = Command::new("ip")
            .args(["netns", "exec", &namespace, "unshare", "--mount", "--propagation", "private", "sh", "-c"])
            .arg(format!("{places}; exec /usr/sbin/sshd -D -e -f {}", config.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("iproute2, util-linux and openssh-server");
        let began = Instant::now();
        while std::net::TcpStream::connect((address.as_str(), 22)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "sshd does not answer at {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { namespace, address, sshd }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        // This removes the link too.
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

/// A copy of a program without what debuggers need, where `strip` is there.
fn strip(program: &Path, to: &Path) {
    fs::copy(program, to)
        .unwrap_or_else(|error| panic!("{}: {error}; cargo build --bin assay-agent", program.display()));
    let _ = Command::new("strip").arg(to).status();
}

fn sh(script: &str) {
    let done = Command::new("sh").arg("-c").arg(script).status();
    assert!(done.is_ok_and(|status| status.success()), "{script}");
}
