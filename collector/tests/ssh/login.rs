//! Who may log in, and how: keys of every kind, passphrases, certificates, the agent, jump hosts.

use std::fs;
use std::process::{Command, Stdio};

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, Unusual, fingerprint, key, need, wait_until};

/// Lets a public key in, and gives a site whose one node is logged in to with `identity`.
fn with_key(node: &Node, identity: Option<&std::path::Path>) -> Site {
    let entry = node.entry("node", "good");
    let own = format!("identity = \"{}\"\n", node.path("identity").display());
    assert!(entry.contains(&own));
    let line = identity.map(|path| format!("identity = \"{}\"\n", path.display())).unwrap_or_default();
    Site::new(&node.known_line(), &[entry.replace(&own, &line)])
}

fn authorize(node: &Node, public: &std::path::Path) {
    fs::copy(public, node.path("authorized_keys")).unwrap();
}

#[test]
fn a_key_that_is_not_let_in() {
    let node = Node::start();
    key(&node.path("other"), "ed25519", "");
    let ran = with_key(&node, Some(&node.path("other"))).run(&[]);
    ran.expect(Outcome::AuthRefused, CleanUpResult::NotNeeded, 3);
    assert!(ran.row().message.as_ref().unwrap().contains(&fingerprint(&node.path("other.pub"))));
}

#[test]
fn keys_of_every_type_and_form() {
    let node = Node::start();
    for (kind, form) in
        [("ed25519", ""), ("ecdsa", ""), ("rsa", ""), ("rsa", "PEM"), ("rsa", "PKCS8"), ("ecdsa", "PKCS8")]
    {
        let path = node.path(&format!("{kind}{form}"));
        key(&path, kind, "");
        authorize(&node, &path.with_extension("pub"));
        if !form.is_empty() {
            let mut command = Command::new(need("ssh-keygen", "openssh-client"));
            command.args(["-q", "-p", "-N", "", "-m", form, "-f"]).arg(&path).stdout(Stdio::null());
            assert!(command.status().unwrap().success());
        }
        let ran = with_key(&node, Some(&path)).run(&[]);
        assert_eq!(ran.row().outcome, Outcome::Verified, "{kind} {form}: {:?}", ran.row().message);
    }
}

#[test]
fn encrypted_keys_want_their_passphrase_once_and_before_any_visit() {
    let node = Node::start();
    let path = node.path("encrypted");
    key(&path, "ed25519", "open sesame");
    authorize(&node, &path.with_extension("pub"));
    let site = with_key(&node, Some(&path));
    assert_eq!(site.refused(&[]), 2, "no passphrase and nobody to ask");
    let with = |passphrase: &str| {
        let mut command = site.run_command(&[]);
        command.env("ASSAY_KEY_PASSPHRASE", passphrase);
        command
    };
    assert_eq!(with("wrong").output().unwrap().status.code(), Some(2));
    assert_eq!(node.logins(), 0);
    site.read(&with("open sesame").output().unwrap()).expect(Outcome::Verified, CleanUpResult::Removed, 0);
}

#[test]
fn identities_that_cannot_be_used_stop_the_run() {
    let node = Node::start();
    fs::write(node.path("no-key"), "-----BEGIN NOTHING-----\n").unwrap();
    for path in [node.path("absent"), node.path("no-key")] {
        assert_eq!(with_key(&node, Some(&path)).refused(&[]), 2);
    }
    assert_eq!(with_key(&node, None).refused(&[]), 2, "neither key nor agent");
    assert_eq!(node.logins(), 0);
}

#[test]
fn user_certificates_log_in() {
    let node =
        Node::unusual(&Unusual { config: "TrustedUserCAKeys /mnt/authority.pub", ..Unusual::default() });
    key(&node.path("authority"), "ed25519", "");
    fs::write(node.path("authorized_keys"), "").unwrap();
    for kind in ["ed25519", "rsa"] {
        let path = node.path(&format!("user_{kind}"));
        key(&path, kind, "");
        let site = with_key(&node, Some(&path));
        site.run(&[]).expect(Outcome::AuthRefused, CleanUpResult::NotNeeded, 3);
        for (principal, outcome) in [("other", Outcome::AuthRefused), ("root", Outcome::Verified)] {
            let mut command = Command::new(need("ssh-keygen", "openssh-client"));
            command.arg("-q").arg("-s").arg(node.path("authority")).args(["-I", "user", "-n", principal]);
            assert!(command.arg(path.with_extension("pub")).status().unwrap().success());
            assert_eq!(site.run(&[]).row().outcome, outcome, "{kind} for {principal}");
        }
    }
}

/// An SSH agent with keys of these names, in this order.
fn agent_with(node: &Node, names: &[&str]) -> (std::process::Child, std::path::PathBuf) {
    let socket = node.path("agent.socket");
    let mut agent = Command::new(need("ssh-agent", "openssh-client"));
    let agent = agent.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the agent's socket", || socket.exists());
    for name in names {
        key(&node.path(name), "ed25519", "");
        let mut add = Command::new(need("ssh-add", "openssh-client"));
        assert!(add.arg("-q").arg(node.path(name)).env("SSH_AUTH_SOCK", &socket).status().unwrap().success());
    }
    (agent, socket)
}

#[test]
fn what_a_server_wants_besides_a_key_and_which_keys_were_not_tried() {
    let said = |config: &str, held: &[&str], right: &str| {
        let node = Node::unusual(&Unusual { config, ..Unusual::default() });
        let (mut agent, socket) = agent_with(&node, held);
        if !right.is_empty() {
            authorize(&node, &node.path(right).with_extension("pub"));
        }
        let site = with_key(&node, None);
        let ran = site.read(&site.run_command(&[]).env("SSH_AUTH_SOCK", &socket).output().unwrap());
        agent.kill().unwrap();
        agent.wait().unwrap();
        let row = ran.row();
        assert_eq!(
            (row.outcome, row.clean_up.result),
            (Outcome::AuthRefused, CleanUpResult::NotNeeded),
            "{row:?}"
        );
        let message = row.message.clone().unwrap();
        (message, row.hint.clone().unwrap(), fingerprint(&node.path(held[0]).with_extension("pub")))
    };
    let eight = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
    let plain = said("", &eight[..2], "");
    let more = "KbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive";
    let partial = said(more, &eight[..2], "k0");
    assert!(partial.0.contains("keyboard-interactive") && partial.0.contains(&partial.2), "{}", partial.0);
    let two_keys = said("AuthenticationMethods publickey,publickey", &eight[..2], "k0");
    assert!(two_keys.0.matches(&two_keys.2).count() == 2, "it is tried, and accepted: {}", two_keys.0);
    let no_keys = said("PubkeyAuthentication no\nKbdInteractiveAuthentication yes", &eight[..2], "k0");
    assert!(no_keys.0.contains("keyboard-interactive"), "{}", no_keys.0);
    // The last key would be accepted, but the server hangs up first, after six.
    let hung_up = said("MaxAuthTries 2", &eight[..4], "k3");
    let too_many = said("MaxAuthTries 20", &eight, "k7");
    assert!(too_many.0.contains("2 more keys"), "{}", too_many.0);
    assert!(hung_up.0.contains("2 more keys"), "{}", hung_up.0);
    // Each cause has its own advice.
    assert_eq!(partial.1, two_keys.1);
    assert_eq!(hung_up.1, too_many.1);
    let hints = std::collections::BTreeSet::from([plain.1, partial.1, no_keys.1, hung_up.1]);
    assert_eq!(hints.len(), 4, "{hints:?}");
}

#[test]
fn the_agent_of_this_machine() {
    let node = Node::start();
    let socket = node.path("agent.socket");
    let mut agent = Command::new(need("ssh-agent", "openssh-client"));
    let mut agent = agent.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the agent's socket", || socket.exists());
    let site = with_key(&node, None);
    let run = || {
        let mut command = site.run_command(&[]);
        command.env("SSH_AUTH_SOCK", &socket);
        site.read(&command.output().unwrap())
    };
    run().expect(Outcome::AuthRefused, CleanUpResult::NotNeeded, 3);
    for kind in ["ed25519", "rsa"] {
        let path = node.path(&format!("held_{kind}"));
        key(&path, kind, "");
        authorize(&node, &path.with_extension("pub"));
        let mut add = Command::new(need("ssh-add", "openssh-client"));
        assert!(add.arg("-q").arg(&path).env("SSH_AUTH_SOCK", &socket).status().unwrap().success());
        let ran = run();
        assert_eq!(ran.row().outcome, Outcome::Verified, "{kind}: {:?}", ran.row().message);
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    let ran = run();
    ran.expect(Outcome::AuthRefused, CleanUpResult::NotNeeded, 3);
}

#[test]
fn jump_hosts_are_verified_too_and_logged_in_to_once() {
    let (jump, inner) = (Node::start(), Node::start());
    let through = |known_hosts: &str, jump_line: &str| {
        let mut entries: Vec<String> = (0..3)
            .map(|number| {
                format!(
                    "{}jump = \"{jump_line}\"\n",
                    inner.entry(&format!("inner-{number}"), &format!("good-{number}"))
                )
            })
            .collect();
        if jump_line == "gate" {
            entries.push(jump.entry("gate", "good"));
        }
        // Both accept the same key.
        fs::copy(inner.path("authorized_keys"), jump.path("authorized_keys")).unwrap();
        let gate = jump.path("identity").display().to_string();
        let entries: Vec<String> = entries
            .iter()
            .map(|entry| entry.replace(&gate, &inner.path("identity").display().to_string()))
            .collect();
        Site::new(known_hosts, &entries).run(&[])
    };
    let both = format!("{}{}", jump.known_line(), inner.known_line());
    let place = format!("root@127.0.0.1:{}", jump.port);

    let ran = through(&both, &place);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!((jump.logins(), inner.logins()), (1, 3));

    let ran = through(&both, "gate");
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!((jump.logins(), inner.logins()), (3, 6), "once as a node, once as a way");

    for (known_hosts, outcome) in
        [(inner.known_line(), Outcome::HostKeyUnknown), (jump.known_line(), Outcome::HostKeyUnknown)]
    {
        let ran = through(&known_hosts, &place);
        assert!(ran.report.nodes.iter().all(|row| row.outcome == outcome), "{}", ran.stderr);
    }
    for node in [&jump, &inner] {
        assert_eq!(node.traces(), [""; 0]);
    }
}

#[test]
fn a_gate_that_does_not_lead_on_is_named() {
    let inner = Node::start();
    for (config, port, named) in [
        ("AllowTcpForwarding no", inner.port, "AllowTcpForwarding"),
        ("DisableForwarding yes", inner.port, "DisableForwarding"),
        ("PermitOpen 127.0.0.1:1", inner.port, "PermitOpen"),
        ("", crate::node::free_port(), "address and port"),
    ] {
        let gate = Node::unusual(&Unusual { config, ..Unusual::default() });
        fs::copy(inner.path("authorized_keys"), gate.path("authorized_keys")).unwrap();
        let entry = inner.entry_through(port, "inner", "good");
        let entry = format!("{entry}jump = \"root@127.0.0.1:{}\"\n", gate.port);
        let known = gate.known_line() + &inner.known_line();
        let ran = Site::new(&known, &[entry]).run(&[]);
        ran.expect(Outcome::Unreachable, CleanUpResult::NotNeeded, 3);
        let row = ran.row();
        assert!(row.message.as_ref().unwrap().contains(&gate.known_name()), "{row:?}");
        let hint = row.hint.as_ref().unwrap();
        assert!(hint.contains(&gate.known_name()) && hint.contains(named), "{row:?}");
    }
}

#[test]
fn algorithms_are_called_unsafe_only_where_all_are() {
    for (config, option) in [
        ("KexAlgorithms sntrup761x25519-sha512@openssh.com", Some("KexAlgorithms")),
        ("KexAlgorithms diffie-hellman-group14-sha256", Some("KexAlgorithms")),
        ("KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1", None),
        ("Ciphers aes192-ctr", Some("Ciphers")),
        ("Ciphers aes256-cbc,3des-cbc", None),
        ("Ciphers aes256-ctr\nMACs umac-128-etm@openssh.com,hmac-sha1", Some("MACs")),
        ("Ciphers aes256-ctr\nMACs hmac-sha1,hmac-md5", None),
        ("HostKeyAlgorithms ssh-rsa", None),
    ] {
        let host_keys = &["ed25519", "rsa"];
        let node = Node::unusual(&Unusual { config, host_keys, ..Unusual::default() });
        let ran = Site::of(&node, "good").run(&[]);
        ran.expect(Outcome::Unreachable, CleanUpResult::NotNeeded, 3);
        let hint = ran.row().hint.as_deref().unwrap();
        assert_eq!(hint.contains("no longer safe"), option.is_none(), "{config}: {hint}");
        assert!(option.is_none_or(|option| hint.contains(option)), "{config}: {hint}");
    }
}
