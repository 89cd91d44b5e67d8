//! Nodes that lie and servers that attack: each costs the run its own row, in bounded memory and time.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, Unusual, key, wait_until};

/// Kilobytes that a collector may take at most, built without optimisation: it has some 40 MB with nothing hostile about.
const MEMORY: u64 = 250_000;

/// Something that listens and does `attack` to whoever connects.
fn server(attack: fn(&mut TcpStream) -> std::io::Result<()>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // It ends when the collector hangs up.
            thread::spawn(move || attack(&mut stream));
        }
    });
    port
}

/// The identification that real servers send first.
const IDENTIFICATION: &[u8] = b"SSH-2.0-OpenSSH_9.2p1\r\n";

/// Packets with a length, which is that of everything after it.
fn packet(stream: &mut TcpStream, length: u32, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(bytes)
}

/// Says nothing until the collector hangs up.
fn until_hung_up(stream: &mut TcpStream) -> std::io::Result<()> {
    std::io::copy(stream, &mut std::io::sink()).map(drop)
}

type Attack = fn(&mut TcpStream) -> std::io::Result<()>;

const ATTACKS: [(&str, Attack); 9] = [
    ("silent", until_hung_up),
    ("endless-banner", |stream| {
        loop {
            stream
                .write_all(b"Welcome to this node. It has much to say before it comes to the point.\r\n")?;
        }
    }),
    ("endless-line", |stream| {
        loop {
            stream.write_all(&[b'x'; 4096])?;
        }
    }),
    ("slow-drip", |stream| {
        loop {
            // The pace is the attack: each byte arrives just before the time limit.
            stream.write_all(b"S")?;
            thread::sleep(Duration::from_millis(100));
        }
    }),
    ("other-protocol", |stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    ("huge-packet", |stream| {
        stream.write_all(IDENTIFICATION)?;
        packet(stream, u32::MAX, &[0; 64])?;
        loop {
            stream.write_all(&[0; 4096])?;
        }
    }),
    ("packets-of-nothing", |stream| {
        stream.write_all(IDENTIFICATION)?;
        loop {
            // SSH_MSG_IGNORE may be sent any number of times.
            packet(stream, 12, &[6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        }
    }),
    ("noise", |stream| {
        stream.write_all(IDENTIFICATION)?;
        let mut state = 1_u32;
        loop {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            stream.write_all(&state.to_be_bytes())?;
        }
    }),
    ("half-a-packet", |stream| {
        stream.write_all(IDENTIFICATION)?;
        packet(stream, 1000, &[20; 100])?;
        until_hung_up(stream)
    }),
];

/// The most memory that a process ever had, in kilobytes, watched until it ends.
fn peak(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        peak = peak.max(now.unwrap_or(0));
        thread::sleep(Duration::from_millis(20));
    }
    peak
}

/// Runs a site, and gives what the run left and the collector's peak memory.
fn watched(site: &Site, options: &[&str]) -> (crate::node::Ran, u64) {
    let mut command = site.run_command(options);
    // Its output goes to files, because a pipe that nobody reads would stop it.
    let stderr = std::fs::File::create(site.path("stderr")).unwrap();
    let mut child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let peak = peak(&mut child);
    (site.read(&child.wait_with_output().unwrap()), peak)
}

#[test]
fn servers_that_attack_cost_their_own_row() {
    let node = Node::start();
    let mut entries: Vec<String> = ATTACKS
        .iter()
        .map(|(name, attack)| {
            let port = server(*attack);
            format!(
                "[[node]]\nname = \"{name}\"\naddress = \"127.0.0.1\"\nport = {port}\nidentity = \"key\"\n"
            )
        })
        .collect();
    entries.push(node.entry("good", "good"));
    let site = Site::new(&node.known_line(), &entries);
    key(&site.path("key"), "ed25519", "");
    let (ran, peak) = watched(&site, &["--connect-limit", "10"]);
    assert_eq!(ran.exit, 3, "{}", ran.stderr);
    assert_eq!(ran.report.nodes.len(), ATTACKS.len() + 1);
    for row in &ran.report.nodes {
        let good = row.name == "good";
        assert_eq!(row.outcome, if good { Outcome::Verified } else { Outcome::Unreachable }, "{row:?}");
        let clean_up = if good { CleanUpResult::Removed } else { CleanUpResult::NotNeeded };
        assert_eq!(row.clean_up.result, clean_up, "{row:?}");
    }
    assert!(peak < MEMORY, "{peak} kB");
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn nodes_that_lie_cost_their_own_row() {
    use Outcome::{BadReport, TimedOut, Verified};
    let node = Node::start();
    // What the stand-in does, and the outcome.
    let lies = [
        ("oversized", BadReport),
        ("endless-complaint", TimedOut),
        ("foreign-run", BadReport),
        ("foreign-agent", BadReport),
        ("foreign-node", BadReport),
        ("foreign-bundle", BadReport),
        ("foreign-visit", BadReport),
        ("foreign-options", BadReport),
        ("no-options", BadReport),
        ("foreign-store", BadReport),
        ("shortcut", BadReport),
        ("same-shortcut", BadReport),
        ("unhashed", BadReport),
        ("yesterday", BadReport),
        ("wrong-counts", BadReport),
        ("wrong-exit", BadReport),
        ("twice", BadReport),
        ("deep", BadReport),
        ("many-values", BadReport),
        ("unfinished", BadReport),
        ("escapes", Verified),
        ("long-name", Verified),
        ("good", Verified),
    ];
    let entries: Vec<String> = lies.iter().map(|(lie, _)| node.entry(lie, lie)).collect();
    let site = Site::new(&node.known_line(), &entries);
    let (ran, peak) = watched(&site, &["--time-limit", "30", "--connect-limit", "60", "--concurrency", "16"]);
    assert_eq!(ran.exit, 3, "{}", ran.stderr);
    for row in &ran.report.nodes {
        let want = lies.iter().find(|(lie, _)| *lie == row.name).unwrap().1;
        assert_eq!(row.outcome, want, "{}: {:?}", row.name, row.message);
        assert_eq!(row.clean_up.result, CleanUpResult::Removed, "{}", row.name);
        assert_eq!(row.report.is_some(), want == Verified);
        assert!(
            want == Verified || row.message.as_ref().is_some_and(|message| message.len() < 4_000),
            "{row:?}"
        );
    }
    let kept = serde_json::to_string(&ran.report).unwrap();
    assert!(!kept.contains("\\u001b") && kept.contains("\\\\u{1b}"), "escapes are shown, not obeyed");
    assert!(kept.len() < 2_000_000, "{}", kept.len());
    assert!(peak < MEMORY, "{peak} kB");
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn nodes_give_no_ci_system_a_command() {
    let node = Node::start();
    let behaviours = ["commands", "commands-in-names"];
    let site = Site::new(&node.known_line(), &behaviours.map(|behaviour| node.entry(behaviour, behaviour)));
    let output = site.run_command(&["--json-lines"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let mut told = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        told += usize::from(line["message"].as_str().is_some_and(|message| message.contains("##vso[")));
    }
    assert_eq!(told, 1, "nothing is lost");
    let read = |name: &str| std::fs::read(site.path("out").join(name)).unwrap();
    let mut texts = vec![output.stdout, output.stderr];
    for name in [
        "run.log",
        "report.json",
        "junit.xml",
        "report.sarif",
        "oscal-assessment-results.json",
        "metrics.prom",
        "report.csv",
    ] {
        texts.push(read(name));
    }
    texts.push(read("nodes/commands-in-names.json"));
    // Once more, as text for people.
    let mut report = Command::new(env!("CARGO_BIN_EXE_assay"));
    report
        .arg("report")
        .arg(site.path("out/nodes/commands-in-names.json"))
        .arg("--out")
        .arg(site.path("again"));
    let output = report.output().unwrap();
    texts.extend([output.stdout, output.stderr]);
    for text in texts {
        let text = String::from_utf8(text).unwrap();
        assert!(
            !text.contains("##") && !text.lines().any(|line| line.trim_start().starts_with("::")),
            "{text}"
        );
    }
}

/// What is on a node beside a visit's folder `$f`, and is to be there afterwards. A process with a number `$v`, and a stranger's
/// with working directories whose names look like lines about other processes that are in the folder; root's own processes
/// that were told the folder's name, or are where a name begins or ends as the folder's does.
const BESIDES: &str = r#"
still() { "$@" </dev/null >/dev/null 2>&1 & echo $!; }
at() { cd "$1" && shift && still "$@"; }
v=$(still sleep 1000); echo $v
stranger="setpriv --reuid 65534 --regid 65534 --clear-groups"
for n in $v -1 1 "1 $v" 0; do
  for w in exe cwd; do
    d="/tmp/$n $w
lrwxrwxrwx 1 root root 0 Jan  1 00:00 /proc/$n/$w -> $f"
    $stranger mkdir -p "$d"
    (at "$d" $stranger sleep 1000)
  done
done
for d in "$f (deleted)" "${f}x" "$f
" "/tmp$f" "/tmp/ $f"; do mkdir -p "$d"; (at "$d" sleep 1000); done
still tail -f "$f/SHA256SUMS"
still sh -c 'sleep 1000; :' "$f/assay-agent"
"#;

/// What is in the folder and is to be ended with the visit.
const WITHIN: &str = r#"
within() { (cd "$1" && shift && "$@" </dev/null >/dev/null 2>&1 & echo $!); }
cp /bin/sleep "$f/gone"; mkdir "$f/a b"
within / "$f/gone" 1000; rm "$f/gone"
within "$f" sleep 1000
within "$f/a b" sleep 1000
"#;

#[test]
fn what_strangers_call_their_folders_ends_nobody() {
    let visitor = "cp /etc/passwd /mnt/passwd; echo 'visitor:*:4242:4242::/nowhere:/bin/sh' >> /mnt/passwd
        mount --bind /mnt/passwd /etc/passwd";
    for user in ["root", "visitor"] {
        let node = Node::unusual(&Unusual { mounts: visitor, ..Unusual::default() });
        let site =
            Site::new(&node.known_line(), &[format!("{}user = \"{user}\"\n", node.entry("node", "halt"))]);
        std::fs::write(node.path("halt"), "agent").unwrap();
        std::fs::set_permissions(node.path(""), PermissionsExt::from_mode(0o777)).unwrap();
        let child = site.run_command(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the agent's run", || node.path("halted").exists());
        let traces = node.traces();
        let folder = traces[0].split_once("/root/").map(|(_, path)| format!("/{path}")).unwrap();
        let pids = |script: &str| -> Vec<String> {
            node.inside(&format!("f={folder}\n{script}")).lines().map(str::to_owned).collect()
        };
        let besides = pids(BESIDES);
        assert_eq!(besides.len(), 1 + 10 + 5 + 2);
        let within = if user == "root" { pids(WITHIN) } else { Vec::new() };
        std::fs::remove_file(node.path("halted")).unwrap();

        let ran = site.read(&child.wait_with_output().unwrap());
        ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
        let alive = |pids: &[String]| {
            pids.iter()
                .map(|pid| node.inside(&format!("kill -0 {pid} 2>/dev/null && echo alive || true")))
                .collect::<String>()
        };
        assert_eq!(alive(&besides), "alive\n".repeat(besides.len()), "{user}");
        assert_eq!(alive(&within), "", "{user}");
        // A folder of someone else whose name begins like ours does not count as ours.
        node.inside(&format!("rmdir '{folder} (deleted)' '{folder}x' '{folder}\n'"));
        assert_eq!(node.traces(), [""; 0]);
    }
}
