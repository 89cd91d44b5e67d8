//! Many nodes: what the collector's memory comes to, whether any node waits longer than others, and whether dead ones delay
//! the living.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{collector, key, peak_memory, scratch, simulated, size};

/// How many are visited at once.
const AT_ONCE: usize = 64;

/// Bytes of what stands for the agent.
const AGENT: usize = 3 << 20;

/// Nodes that are in the way: they accept connections and say nothing.
const DEAD: usize = 40;

pub(crate) fn measure() {
    let (nodes, images) = (size("FLEET_NODES", 500), size("FLEET_IMAGES", 40));
    let folder = scratch();
    let site = Site::new(folder.path(), nodes, images);
    println!(
        "{nodes} simulated nodes with {images} images each, {AT_ONCE} at once, agents that work for 1 s"
    );
    let alive = site.run("alive", 0);
    alive.print("all of them answer");
    let dead: Vec<TcpListener> =
        (0..DEAD).map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port")).collect();
    let ports: Vec<u16> = dead.iter().filter_map(|dead| Some(dead.local_addr().ok()?.port())).collect();
    site.write(&ports);
    let with_dead = site.run("dead", DEAD);
    with_dead.print(&format!("{DEAD} more, the first of the list, accept connections and say nothing"));
    let delay = with_dead.last.as_secs_f64() / alive.last.as_secs_f64();
    println!("the last living node is done after {delay:.2} of the time that it takes without the dead\n");
    // Assert that the nodes answered, because otherwise nothing was measured. Time is not asserted.
    assert!(alive.right && with_dead.right, "some nodes were not verified");
}

struct Site {
    folder: PathBuf,
    ports: Vec<u16>,
    server: Child,
}

impl Site {
    fn new(folder: &Path, nodes: usize, images: usize) -> Self {
        let path = |name: &str| folder.join(name);
        key(&path("host"));
        key(&path("identity"));
        // Only the header is read, for the platform. The file is never run.
        let program = fs::read(env!("CARGO_BIN_EXE_assay")).expect("the collector");
        fs::write(path("agent"), &program[..AGENT.min(program.len())]).expect("room");
        fs::create_dir(path("trust")).expect("room");
        fs::write(path("trust/trustpolicy.json"), "{}").expect("room");
        let mut server = Command::new(std::env::current_exe().expect("own path"));
        server.arg(simulated::ROLE).arg(nodes.to_string()).arg(images.to_string());
        server.args([path("host"), path("agent"), path("trust/trustpolicy.json")]);
        let mut server = server.stdout(Stdio::piped()).spawn().expect("the nodes");
        let lines = BufReader::new(server.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let ports =
            lines.take_while(|line| !line.is_empty()).map(|line| line.parse().expect("a port")).collect();
        let site = Self { folder: folder.to_owned(), ports, server };
        site.write(&[]);
        site
    }

    /// Writes the site file, with these dead nodes first.
    fn write(&self, dead: &[u16]) {
        let mut site = "[defaults]\nknown_hosts = \"known_hosts\"\nidentity = \"identity\"\n".to_owned();
        let named = |kind: &str, number: usize, port: u16| {
            format!(
                "[[node]]\nname = \"{kind}-{number:04}\"\naddress = \"127.0.0.1\"\nport = {port}\nstore = \"layout:{port}\"\n"
            )
        };
        dead.iter().enumerate().for_each(|(number, port)| site += &named("a-dead", number, *port));
        self.ports.iter().enumerate().for_each(|(number, port)| site += &named("node", number, *port));
        fs::write(self.folder.join("site.toml"), site).expect("room");
        let host = fs::read_to_string(self.folder.join("host.pub")).expect("a key");
        fs::write(self.folder.join("known_hosts"), format!("[127.0.0.1]:* {host}")).expect("room");
    }

    fn run(&self, out: &str, dead: usize) -> Measured {
        let path = |name: &str| self.folder.join(name);
        let mut command = collector();
        command
            .args(["run", "--quiet", "--json-lines", "--retries", "1", "--concurrency"])
            .arg(AT_ONCE.to_string());
        command.arg("--site").arg(path("site.toml")).arg("--trust").arg(path("trust"));
        command.arg("--agent").arg(path("agent")).arg("--out").arg(path(out));
        let lines = fs::File::create(path("events")).expect("room");
        let words = fs::File::create(path("words")).expect("room");
        let began = Instant::now();
        let mut child = command.stdout(lines).stderr(words).spawn().expect("the collector");
        let memory = peak_memory(&mut child);
        let all = began.elapsed();
        let events = fs::read_to_string(path("events")).expect("events");
        let events: Vec<Value> =
            events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let seconds = |event: &Value, member: &str| {
            let time =
                event[member].as_str().and_then(|text| assay_verifier::time::UnixTime::parse(text).ok());
            time.map_or(0, assay_verifier::time::UnixTime::seconds)
        };
        let begin = events.first().map_or(0, |event| seconds(event, "time"));
        let done: Vec<&Value> = events.iter().filter(|event| event["outcome"] == "verified").collect();
        let mut visits: Vec<i64> =
            done.iter().map(|event| seconds(event, "finished") - seconds(event, "started")).collect();
        visits.sort_unstable();
        let last = done.iter().map(|event| seconds(event, "finished")).max().unwrap_or(begin) - begin;
        let finished = events.iter().filter(|event| event["event"] == "node-finished").count();
        if done.is_empty() {
            println!(
                "  {}",
                events.iter().find(|event| event["event"] == "node-finished").unwrap_or(&Value::Null)
            );
        }
        Measured {
            memory,
            all,
            last: Duration::from_secs(u64::try_from(last).unwrap_or(0)),
            verified: done.len(),
            dead: finished - done.len(),
            right: done.len() == self.ports.len() && finished == self.ports.len() + dead,
            visits,
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

struct Measured {
    memory: f64,
    all: Duration,
    last: Duration,
    verified: usize,
    dead: usize,
    right: bool,
    visits: Vec<i64>,
}

impl Measured {
    fn print(&self, what: &str) {
        let at = |part: usize| {
            self.visits.get((self.visits.len().saturating_sub(1)) * part / 100).copied().unwrap_or(0)
        };
        println!("  {what}:");
        println!(
            "    verified {}, not reached {}{}",
            self.verified,
            self.dead,
            if self.right { "" } else { ": NOT AS EXPECTED" }
        );
        println!("    collector's peak memory {:.0} MiB (budget: below 200)", self.memory);
        println!(
            "    all reports written after {:.1} s, the last node verified after {} s",
            self.all.as_secs_f64(),
            self.last.as_secs()
        );
        println!(
            "    a visit takes {} s (median), {} s (99 of 100), {} s (the longest)",
            at(50),
            at(99),
            at(100)
        );
    }
}
