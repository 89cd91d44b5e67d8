//! The real sudo, with and without a password: the password is on standard input and nowhere else.

use std::fs;
use std::process::Stdio;

use assay_report::{CleanUpResult, Outcome};

use crate::node::{Node, Site, Unusual, need, wait_until};

const PASSWORD: &str = "open sesame";

/// The line of `/etc/shadow` for it, as `openssl passwd -6 -salt assaytest 'open sesame'` prints it.
const HASH: &str =
    "$6$assaytest$vM/mq7ADU9E9IFWnLYxY/PdpAIlHJsHR/.ZADKzk0.Jjfv0QazNrm4rLULl5auq5CWa6Aaro74VY3IevWTwkC1";

/// A node with a login that has a password, and sudo by this rule.
fn node(rule: &str) -> Node {
    node_with(rule, "")
}

/// The same, after more commands.
fn node_with(rule: &str, more: &str) -> Node {
    need("sudo", "sudo");
    let mounts = format!(
        "for f in passwd shadow; do cp -p /etc/$f /mnt/$f; done
         echo 'visitor:x:4242:4242::/nowhere:/bin/sh' >> /mnt/passwd
         echo 'visitor:{HASH}:20000:0:99999:7:::' >> /mnt/shadow
         printf '%s\\n' 'Defaults !syslog, logfile=/mnt/sudo.log, lecture=never, passwd_tries=3' '{rule}' > /mnt/sudoers
         chmod 440 /mnt/sudoers
         for f in passwd shadow sudoers; do mount --bind /mnt/$f /etc/$f; done
         {more}"
    );
    Node::unusual(&Unusual { mounts: &mounts, ..Unusual::default() })
}

fn site(node: &Node, user: &str, behaviour: &str, sudo: &str, password: &str) -> Site {
    let entry = format!("{}user = \"{user}\"\nsudo = {sudo}\n", node.entry("node", behaviour));
    let site = Site::new(&node.known_line(), &[entry]);
    fs::write(site.path("password"), format!("{password}\n")).unwrap();
    site
}

fn options(site: &Site) -> [String; 2] {
    ["--sudo-password-file".to_owned(), site.path("password").display().to_string()]
}

#[test]
fn a_password_opens_sudo_and_leaves_no_ticket() {
    let node = node("visitor ALL=(ALL) ALL");
    let site = site(&node, "visitor", "good", "\"password\"", PASSWORD);
    let given = options(&site);
    let ran = site.run(&given.each_ref().map(String::as_str));
    ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
    // Only root can write there.
    assert!(ran.row().clean_up.folder.as_ref().unwrap().starts_with("/run/assay-"));
    assert_eq!(node.traces(), [""; 0]);
    assert_eq!(node.logins(), 1);
    // sudo asks each time: without a password it is refused as before.
    let ran = self::site(&node, "visitor", "good", "true", "").run(&[]);
    ran.expect(Outcome::SudoRefused, CleanUpResult::NotNeeded, 3);
    // Nobody can be asked, and no password was given.
    assert_eq!(site.refused_again(&[]), 2);
    for nonsense in ["", "two\nlines"] {
        fs::write(site.path("password"), nonsense).unwrap();
        assert_eq!(site.refused_again(&given.each_ref().map(String::as_str)), 2);
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    let node = node("visitor ALL=(ALL) ALL");
    let site = site(&node, "visitor", "good", "\"password\"", "wrong");
    let given = options(&site);
    let ran = site.run(&given.each_ref().map(String::as_str));
    ran.expect(Outcome::SudoRefused, CleanUpResult::NotNeeded, 3);
    let log = fs::read_to_string(node.path("sudo.log")).unwrap().replace("\n    ", " ");
    assert_eq!(log.matches("1 incorrect password attempt").count(), 1, "{log}");
    assert_eq!(log.matches("COMMAND=").count(), 1, "{log}");
}

#[test]
fn a_password_that_nobody_asks_for_does_no_harm() {
    // First sudo asks for nothing, then the login is root already.
    let node = node("visitor ALL=(ALL) NOPASSWD: ALL");
    for user in ["visitor", "root"] {
        let site = site(&node, user, "good", "\"password\"", PASSWORD);
        let given = options(&site);
        let ran = site.run(&given.each_ref().map(String::as_str));
        ran.expect(Outcome::Verified, CleanUpResult::Removed, 0);
    }
    site(&node, "visitor", "good", "true", "").run(&[]).expect(Outcome::Verified, CleanUpResult::Removed, 0);
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn the_password_is_on_no_command_line_in_no_environment_and_in_no_report() {
    let node = node("visitor ALL=(ALL) ALL");
    let site = site(&node, "visitor", "hang", "\"password\"", PASSWORD);
    let given = options(&site);
    let mut options: Vec<&str> = given.iter().map(String::as_str).collect();
    options.extend(["--time-limit", "5"]);
    let child = site.run_command(&options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Agents of other tests run at the same time, so wait for this test's sudo too.
    wait_until("the agent's run with sudo", || {
        let sums = node.traces().iter().any(|folder| fs::exists(format!("{folder}/SHA256SUMS")).unwrap());
        sums && processes().any(|(line, _)| line.contains("assay-agent") && line.contains("verify"))
            && processes().any(|(line, _)| line.contains("sudo") && line.contains("-S"))
    });
    for (line, environment) in processes() {
        assert!(!line.contains(PASSWORD) && !environment.contains(PASSWORD), "{line}");
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(site.read(&output).row().outcome, Outcome::TimedOut);
    let mut texts = vec![
        output.stdout,
        output.stderr,
        fs::read(node.path("log")).unwrap(),
        fs::read(node.path("sudo.log")).unwrap(),
    ];
    for file in ["report.json", "run.log", "journal.jsonl", "report.html", "junit.xml"] {
        texts.push(fs::read(site.path("out").join(file)).unwrap());
    }
    for text in texts {
        assert!(!String::from_utf8_lossy(&text).contains(PASSWORD));
    }
    assert_eq!(node.traces(), [""; 0]);
}

#[test]
fn each_way_to_refuse_has_its_own_advice() {
    for (rules, sudo, advice) in [
        ("visitor ALL=(ALL) ALL", "true", "sudo = \"password\""),
        ("visitor ALL=(ALL) NOPASSWD: /usr/bin/id, /bin/ls", "true", "/usr/bin/id"),
        ("visitor ALL=(ALL) /usr/bin/id", "\"password\"", "other commands than sh"),
        ("visitor ALL=(ALL) NOPASSWD: ALL, !/bin/sh, !/usr/bin/sh", "true", "other commands than sh"),
        ("", "\"password\"", "other commands than sh"),
        ("visitor ALL=(ALL) NOPASSWD: ALL' 'Defaults requiretty", "true", "requiretty"),
        ("visitor ALL=(ALL) NOPASSWD: ALL' 'Defaults noexec", "true", "EXEC:"),
        ("visitor ALL=(ALL) NOEXEC: ALL' 'Defaults use_pty", "\"password\"", "EXEC:"),
        ("visitor ALL=(ALL) NOPASSWD: ALL' 'Defaults runcwd=/nowhere", "true", "runcwd"),
        ("visitor ALL=(ALL) CHROOT=/nowhere NOPASSWD: ALL", "true", "CHROOT="),
        ("visitor ALL=(ALL) CHROOT=/mnt NOPASSWD: ALL", "true", "no sh"),
        ("visitor ALL=(ALL) NOPASSWD: ALL' 'Defaults secure_path=/nowhere", "true", "secure_path"),
        ("visitor ALL=(ALL) ALL' 'Defaults rootpw", "\"password\"", "rootpw"),
        ("nonsense nonsense", "true", "visudo"),
    ] {
        let node = node(rules);
        let site = site(&node, "visitor", "good", sudo, PASSWORD);
        let given = options(&site);
        let options = if sudo == "true" { Vec::new() } else { given.iter().map(String::as_str).collect() };
        let ran = site.run(&options);
        ran.expect(Outcome::SudoRefused, CleanUpResult::NotNeeded, 3);
        let hint = ran.row().hint.as_deref().unwrap();
        assert!(hint.contains(advice), "{rules}: {:?}", ran.row());
        assert_eq!(node.traces(), [""; 0]);
        // the run's journal knows that nothing is there; without one, sudo may have let a visit in before. To look needs no programs.
        let alone = if advice == "EXEC:" { 0 } else { 3 };
        for (journal, code) in [(Some(site.path("out")), 0), (None, alone)] {
            let mut cleanup = std::process::Command::new(env!("CARGO_BIN_EXE_assay"));
            cleanup.arg("cleanup").arg("--site").arg(site.path("site.toml")).args(&options);
            cleanup.args(journal.iter().flat_map(|out| ["--out".as_ref(), out.as_os_str()]));
            assert_eq!(
                cleanup.env("HOME", site.folder.path()).status().unwrap().code(),
                Some(code),
                "{rules}"
            );
        }
    }
}

#[test]
fn sudo_is_not_blamed_for_what_others_say() {
    let no_place = "for d in /run /var/tmp /tmp /root; do mount -o remount,noexec $d; done";
    let node = node_with("visitor ALL=(ALL) NOPASSWD: ALL", no_place);
    let ran = site(&node, "visitor", "good", "true", "").run(&[]);
    ran.expect(Outcome::AgentFailed, CleanUpResult::NotNeeded, 3);
}

/// The command line and the environment of every process; none of those that are gone by now.
fn processes() -> impl Iterator<Item = (String, String)> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
        let read = |name| {
            Some(String::from_utf8_lossy(&fs::read(process.path().join(name)).ok()?).replace('\0', " "))
        };
        Some((read("cmdline")?, read("environ")?))
    })
}
