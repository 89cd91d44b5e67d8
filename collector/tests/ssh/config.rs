//! `~/.ssh/config`, as this machine's `ssh` reads it, counts where the site file says nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Ran, Site, Unusual, fingerprint, key, need, wait_until};
use crate::program::finish;

/// A site of nodes without keys and ports, and a configuration that has them.
fn site(nodes: &str, config: &str, known_hosts: &str) -> Site {
    let site = Site::new("", &[]);
    fs::write(site.path("site.toml"), format!("[defaults]\nstore = \"layout:good\"\n{nodes}")).unwrap();
    fs::create_dir(site.path(".ssh")).unwrap();
    fs::write(site.path(".ssh/config"), config).unwrap();
    fs::write(site.path(".ssh/known_hosts"), known_hosts).unwrap();
    site
}

fn named(name: &str) -> String {
    format!("[[node]]\nname = \"{name}\"\naddress = \"{name}\"\n")
}

#[track_caller]
fn verified(ran: &Ran) {
    for row in &ran.report.nodes {
        assert_eq!(row.outcome, Outcome::Verified, "{}: {:?}\n{}", row.name, row.message, ran.stderr);
    }
}

#[test]
fn names_ports_keys_and_users_of_the_configuration() {
    let node = Node::start();
    let config = format!(
        "Host alias\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\nHost *\n  Port 1\n",
        node.port,
        node.path("identity").display()
    );
    let ours = site(&named("alias"), &config, &node.known_line());
    verified(&ours.run(&[]));
    // Another name is not configured, and the site file takes precedence.
    let ran = site(&(named("alias") + "port = 1\n"), &config, &node.known_line()).run(&[]);
    ran.expect(Outcome::Unreachable, CleanUpResult::NotNeeded, 3);
    let ran = site(&(named("alias") + "user = \"no-such-login\"\n"), &config, &node.known_line()).run(&[]);
    ran.expect(Outcome::AuthRefused, CleanUpResult::NotNeeded, 3);
    // The configuration is not read, so there is no key.
    assert_eq!(ours.run_command(&["--no-ssh-config"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn the_user_of_the_configuration_is_told_from_none() {
    // Who runs the tests is root as well: root is said, or nothing is, or another is.
    let node = Node::start();
    let base = format!(
        "Host *\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n",
        node.port,
        node.path("identity").display()
    );
    for (line, outcome) in [
        ("", Outcome::Verified),
        ("  User root\n", Outcome::Verified),
        ("  User no-such-login\n", Outcome::AuthRefused),
    ] {
        let ran = site(&named("alias"), &format!("{base}{line}"), &node.known_line()).run(&[]);
        assert_eq!(ran.row().outcome, outcome, "{line}");
    }
}

#[test]
fn jump_hosts_aliases_and_known_hosts_of_the_configuration() {
    let (gate, middle, inner) = (Node::start(), Node::start(), Node::start());
    for node in [&gate, &middle] {
        fs::copy(inner.path("authorized_keys"), node.path("authorized_keys")).unwrap();
    }
    let identity = inner.path("identity").display().to_string();
    let host = |name: &str, node: &Node| {
        format!("Host {name}\n  HostName 127.0.0.1\n  Port {}\n  HostKeyAlias {name}\n", node.port)
    };
    let known = |name: &str, node: &Node| format!("{name} {}\n", node.host_key("ed25519"));
    let base = format!(
        "{}{}{}  ProxyJump gate,root@middle\nHost *\n  IdentityFile {identity}\n",
        host("gate", &gate),
        host("middle", &middle),
        host("inner", &inner)
    );
    let all = [known("gate", &gate), known("middle", &middle), known("inner", &inner)];
    verified(&site(&named("inner"), &base, &all.concat()).run(&[]));
    assert_eq!((gate.logins(), middle.logins(), inner.logins()), (1, 1, 1));
    // Every key on the way is verified.
    for missing in 0..3 {
        let mut known = all.to_vec();
        known.remove(missing);
        let ran = site(&named("inner"), &base, &known.concat()).run(&[]);
        ran.expect(Outcome::HostKeyUnknown, CleanUpResult::NotNeeded, 3);
    }
    assert_eq!(inner.logins(), 1);
    // The jump of the site file takes precedence, even if it says that there is none.
    verified(&site(&(named("inner") + "jump = \"none\"\n"), &base, &all.concat()).run(&[]));
    assert_eq!(inner.logins(), 2);
    assert_eq!(gate.logins(), 3, "and two that were refused further on");
    // Two files of known hosts.
    let site = site(&named("inner"), "", "");
    let (one, two) = (site.path("one"), site.path("two"));
    fs::write(&one, all[..2].concat()).unwrap();
    fs::write(&two, &all[2]).unwrap();
    let config = format!("{base}  UserKnownHostsFile {} {}\n", one.display(), two.display());
    fs::write(site.path(".ssh/config"), config).unwrap();
    verified(&site.run(&[]));
}

/// What a dry run says of the one node's way.
fn way(site: &Site) -> String {
    let output = finish(&mut site.run_command(&["--dry-run"]), 0);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find(|line| line.trim_start().starts_with("inner ")).expect("a line of the node").to_owned()
}

#[test]
fn jump_hosts_have_jump_hosts_of_their_own() {
    let nodes: Vec<Node> = (0..4).map(|_| Node::start()).collect();
    let names = ["inner", "middle", "gate", "outer"];
    let identity = nodes[0].path("identity");
    let (mut config, mut known) = (String::new(), String::new());
    for (name, node) in names.iter().zip(&nodes) {
        fs::copy(nodes[0].path("identity.pub"), node.path("authorized_keys")).unwrap();
        config +=
            &format!("Host {name}\n  HostName 127.0.0.1\n  Port {}\n  HostKeyAlias {name}\n", node.port);
        known += &format!("{name} {}\n", node.host_key("ed25519"));
    }
    let rest = format!("Host *\n  User root\n  IdentityFile {}\n", identity.display());
    let logins = || nodes.iter().map(Node::logins).collect::<Vec<_>>();
    let with =
        |more: &str, jump: &str| site(&(named("inner") + jump), &(config.clone() + more + &rest), &known);
    let chain =
        "Host inner\n  ProxyJump middle\nHost middle\n  ProxyJump gate\nHost gate\n  ProxyJump outer\n";
    let lists = "Host inner\n  ProxyJump gate,middle\nHost gate\n  ProxyJump outer\nHost middle\n  ProxyJump nowhere\n";
    // What the site file's way begins with has a way of its own to `ssh`, and the others of the list have none.
    let gate = "Host gate\n  ProxyJump outer\nHost middle\n  ProxyJump nowhere\n";
    let mut expected = vec![0; 4];
    for (more, jump) in [
        (chain, ""),
        (lists, ""),
        (gate, "jump = \"root@gate,root@middle\"\n"),
        (chain, "jump = \"root@middle\"\n"),
    ] {
        let site = with(more, jump);
        let way = way(&site);
        let places: Vec<_> = names.iter().map(|name| way.find(&format!("root@{name}"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{way}");
        verified(&site.run(&[]));
        expected.iter_mut().for_each(|logins| *logins += 1);
        assert_eq!(logins(), expected, "{more}");
    }
    // If the site file says that there is none, there is none.
    verified(&with(chain, "jump = \"none\"\n").run(&[]));
    expected[0] += 1;
    assert_eq!(logins(), expected);
    for circle in [
        "Host *\n  ProxyJump gate\n",
        "Host inner gate\n  ProxyJump middle\nHost middle\n  ProxyJump gate,outer\n",
        "Host *\n  ProxyJump on-%h\n  HostName %h\n",
    ] {
        assert_eq!(with(circle, "").refused(&[]), 2, "{circle}");
    }
    assert_eq!(with("Host *\n  ProxyJump gate\n", "jump = \"root@gate\"\n").refused(&[]), 2);
    assert_eq!(logins(), expected);
}

#[test]
fn what_the_site_file_answers_is_not_asked_of_the_configuration() {
    let (gate, node) = (Node::start(), Node::start());
    fs::copy(node.path("authorized_keys"), gate.path("authorized_keys")).unwrap();
    // As FreeIPA's client sets a machine up, before and after the program for its host keys changed.
    let proxy = "Match exec true\n  ProxyCommand /usr/bin/sss_ssh_knownhostsproxy -p %p %h\n";
    let keys = "Match exec true\n  KnownHostsCommand /usr/bin/sss_ssh_knownhosts %H\n";
    let known = format!("{}{}", gate.known_line(), node.known_line());
    let jump = format!("jump = \"root@127.0.0.1:{}\"\n", gate.port);
    let gate_node = gate
        .entry("gate", "good-0")
        .replace(&gate.path("identity").display().to_string(), &node.path("identity").display().to_string());
    for (config, lines, works) in [
        (proxy, "", false),
        (proxy, "jump = \"none\"\n", true),
        (proxy, &jump, true),
        (proxy, "jump = \"gate\"\n", true),
        (keys, "", true),
    ] {
        let mut entries = vec![node.entry("node", "good") + lines];
        if lines.contains("gate") {
            entries.push(gate_node.clone() + "jump = \"none\"\n");
        }
        let site = Site::new(&known, &entries);
        fs::create_dir(site.path(".ssh")).unwrap();
        fs::write(site.path(".ssh/config"), config).unwrap();
        if works {
            verified(&site.run(&[]));
        } else {
            assert_eq!(site.refused(&[]), 2, "{lines}");
        }
    }
    // Only the program knows the host key.
    let entry = node.entry("node", "good");
    let pinned = entry.clone() + &format!("host_key = \"{}\"\n", fingerprint(&node.path("host_ed25519.pub")));
    let configured = |entry: &str| {
        let entry = entry.replace("layout:good", "layout:good-1");
        site(&entry, keys, "")
    };
    assert_eq!(configured(&entry).refused(&[]), 2);
    verified(&configured(&pinned).run(&[]));
}

#[test]
fn a_configuration_that_cannot_be_followed_stops_the_run_and_names_the_line() {
    let node = Node::start();
    let identity = format!("Host *\n  IdentityFile {}\n", node.path("identity").display());
    for (line, said) in [
        ("  Nonsense yes\n", "line 3"),
        ("  ProxyCommand nc %h %p\n", "ProxyCommand"),
        ("  RevokedHostKeys /etc/krl\n", "RevokedHostKeys"),
        ("  KnownHostsCommand /bin/keys %H\n", "KnownHostsCommand"),
        ("  BindInterface eth0\n", "BindInterface"),
    ] {
        let site = site(&named("alias"), &format!("{identity}{line}"), "");
        let output = site.run_command(&[]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
    // A file that others may write is not read. That is the rule of ssh.
    let site = site(&named("alias"), &identity, "");
    fs::set_permissions(site.path(".ssh/config"), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(site.refused(&[]), 2);
}

#[test]
fn an_encrypted_key_is_the_agents_where_it_has_it() {
    let node =
        Node::unusual(&Unusual { config: "TrustedUserCAKeys /mnt/authority.pub", ..Unusual::default() });
    let (socket, path) = (node.path("agent.socket"), node.path("encrypted"));
    key(&path, "ed25519", "");
    key(&node.path("authority"), "ed25519", "");
    let mut agent = Command::new(need("ssh-agent", "openssh-client"));
    let mut agent = agent.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the agent's socket", || socket.exists());
    let mut add = Command::new(need("ssh-add", "openssh-client"));
    assert!(add.arg("-q").arg(&path).env("SSH_AUTH_SOCK", &socket).status().unwrap().success());
    let mut encrypt = Command::new(need("ssh-keygen", "openssh-client"));
    assert!(
        encrypt
            .args(["-q", "-p", "-N", "open sesame", "-f"])
            .arg(&path)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    fs::copy(node.path("encrypted.pub"), node.path("authorized_keys")).unwrap();

    let entry = node.entry("node", "good").replace("/identity\"", "/encrypted\"");
    let site = Site::new(&node.known_line(), &[entry]);
    assert_eq!(site.refused(&[]), 2, "nobody to ask, and no agent");
    let with_agent =
        |site: &Site| site.read(&site.run_command(&[]).env("SSH_AUTH_SOCK", &socket).output().unwrap());
    verified(&with_agent(&site));

    // The configuration names everything instead, the SSH agent too.
    let config = format!(
        "Host 127.0.0.1\n  IdentityFile {}\n  IdentityAgent {}\n  IdentitiesOnly yes\n",
        path.display(),
        socket.display()
    );
    let entry = format!("{}port = {}\n", named("127.0.0.1"), node.port);
    let configured = self::site(&entry, &config, &node.known_line());
    verified(&configured.run(&[]));

    // The certificate is accepted although the key alone is not, even if the SSH agent signs.
    fs::write(node.path("authorized_keys"), "").unwrap();
    assert_eq!(configured.run(&[]).row().outcome, Outcome::AuthRefused);
    let mut sign = Command::new(need("ssh-keygen", "openssh-client"));
    sign.arg("-q").arg("-s").arg(node.path("authority")).args(["-I", "user", "-n", "root"]);
    assert!(sign.arg(node.path("encrypted.pub")).status().unwrap().success());
    verified(&configured.run(&[]));
    verified(&with_agent(&site));
    let elsewhere = node.path("elsewhere-cert.pub");
    fs::rename(node.path("encrypted-cert.pub"), &elsewhere).unwrap();
    assert_eq!(configured.run(&[]).row().outcome, Outcome::AuthRefused);
    fs::write(configured.path(".ssh/config"), format!("{config}  CertificateFile {}\n", elsewhere.display()))
        .unwrap();
    verified(&configured.run(&[]));
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn limits_of_the_configuration_count_and_its_shared_connections_do_not() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let node = Node::start();
    let config = |port: u16, lines: &str| {
        let identity = node.path("identity").display().to_string();
        format!("Host alias\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {identity}\n{lines}")
    };
    // A host that never answers is given up after one second, not after fifteen.
    let ran = site(&named("alias"), &config(port, "  ConnectTimeout 1\n"), "").run(&[]);
    ran.expect(Outcome::Unreachable, CleanUpResult::NotNeeded, 3);
    assert!(ran.row().message.as_ref().unwrap().ends_with("within 1 s"), "{:?}", ran.row().message);
    let ran =
        site(&named("alias"), &config(port, "  ConnectTimeout 900\n"), "").run(&["--connect-limit", "1"]);
    assert!(ran.row().message.as_ref().unwrap().ends_with("within 1 s"), "{:?}", ran.row().message);

    let control = "  ControlMaster auto\n  ControlPath /nowhere/%C\n";
    for (lines, said) in [("", false), (control, true)] {
        let ran = site(&named("alias"), &config(node.port, lines), &node.known_line()).run(&[]);
        verified(&ran);
        assert_eq!(ran.stderr.contains("ControlMaster"), said, "{}", ran.stderr);
    }
}
