//! Hosts with an address that leads nowhere, and ways that `ssh`'s configuration gives connections.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use assay_report::{CleanUpResult, Outcome};
use tokio::net::{TcpListener, TcpSocket};

use crate::node::{Node, Site};
use crate::program::finish;

/// An address that takes no more connections: whoever knocks there waits, as for a machine that is off.
struct Silent {
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
    _runtime: tokio::runtime::Runtime,
}

impl Silent {
    fn at(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v6().unwrap();
            socket.bind(address).expect("IPv6 on the loopback interface");
            socket.listen(1).unwrap()
        });
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            waiting.push(stream);
        }
        Self { _listener: listener, _waiting: waiting, _runtime: runtime }
    }
}

/// The same command where `dual` is `::1` and 127.0.0.1, in this order.
fn dual(command: &Command, site: &Site) -> Command {
    fs::write(site.path("hosts"), "::1 dual\n127.0.0.1 dual localhost\n").unwrap();
    let mut inside = Command::new("unshare");
    inside
        .args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""])
        .arg(site.path("hosts"));
    inside.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

#[test]
fn a_dead_address_of_a_name_does_not_keep_from_the_live_one() {
    let (gate, node) = (Node::start(), Node::start());
    fs::copy(node.path("authorized_keys"), gate.path("authorized_keys")).unwrap();
    let _silent = [gate.port, node.port].map(|port| Silent::at(format!("[::1]:{port}").parse().unwrap()));
    let at_dual = |text: String| text.replace("127.0.0.1", "dual");
    let direct = at_dual(node.entry("direct", "good-1"));
    let through = node.entry("through", "good-2") + &format!("jump = \"root@dual:{}\"\n", gate.port);
    let known = at_dual(gate.known_line() + &node.known_line()) + &node.known_line();
    let site = Site::new(&known, &[direct, through]);
    let ran = site.read(&dual(&site.run_command(&[]), &site).output().unwrap());
    for row in &ran.report.nodes {
        assert_eq!(row.outcome, Outcome::Verified, "{}: {:?}", row.name, row.message);
        assert_eq!(row.clean_up.result, CleanUpResult::Removed, "{:?}", row.clean_up);
    }
    let mut scan = Command::new(env!("CARGO_BIN_EXE_assay"));
    scan.args(["nodes", "--scan-host-keys", "--site"]).arg(site.path("site.toml"));
    scan.env("HOME", site.folder.path()).env_remove("SSH_AUTH_SOCK");
    let _ = finish(&mut dual(&scan, &site), 0);
}

/// Registries are reached with `reqwest`, whose connector has a head start of its own.
#[test]
fn a_registry_is_reached_at_its_live_address_too() {
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = registry.local_addr().unwrap().port();
    let _silent = Silent::at(format!("[::1]:{port}").parse().unwrap());
    let (asked, was_asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in registry.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = (&stream)
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = asked.send(line);
        }
    });
    let site = Site::new("", &[]);
    let place = format!("dual:{port}");
    let mut create = Command::new(env!("CARGO_BIN_EXE_assay"));
    create.args(["bundle", "create", "--image", &format!("{place}/team/app:1"), "--plain-http", &place]);
    create.args(["--no-crls", "--retries", "0", "--out"]).arg(site.path("site.tar"));
    create.env("HOME", site.folder.path());
    let output = dual(&create, &site).output().unwrap();
    assert!(!output.status.success());
    let line = was_asked.try_recv().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert!(line.contains(" HTTP/1."), "{line}");
}

#[test]
fn the_family_and_the_own_address_of_the_configuration() {
    let node = Node::start();
    let silent = Silent::at(format!("[::1]:{}", node.port).parse().unwrap());
    let entry = node.entry("node", "good").replace("127.0.0.1", "dual");
    let site = Site::new(&node.known_line().replace("127.0.0.1", "dual"), &[entry]);
    fs::create_dir(site.path(".ssh")).unwrap();
    for (line, outcome) in [
        ("AddressFamily inet", Outcome::Verified),
        ("AddressFamily inet6", Outcome::Unreachable),
        ("BindAddress 127.0.0.77", Outcome::Verified),
        ("BindAddress 127.0.0.78\n  AddressFamily inet6", Outcome::Unreachable),
    ] {
        fs::write(site.path(".ssh/config"), format!("Host dual\n  {line}\n")).unwrap();
        let ran = site.read(&dual(&site.run_command(&["--connect-limit", "3"]), &site).output().unwrap());
        assert_eq!(ran.row().outcome, outcome, "{line}: {:?}", ran.row().message);
    }
    drop(silent);
    let log = fs::read_to_string(node.path("log")).unwrap();
    assert!(log.contains("Connection from 127.0.0.77 port "), "{log}");
    assert!(!log.contains("127.0.0.78"));
}
