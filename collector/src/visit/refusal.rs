//! Where a node runs no script of a visit: what its shell or its sudo says instead, and what to do about it. Pure.

use assay_report::Outcome;

use super::deploy::said;
use super::{Failure, posix};
use crate::clean;
use crate::nodes::{Node, Sudo};
use crate::transport::{Exit, Output};

/// Whether a script ran, as far as a command that came to its end can tell: each script says a line of ours before it does
/// anything, and ends as no other program does where it has made something. Who was killed cannot tell.
pub(super) fn has_run(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with("assay-"));
    said || match output.exit {
        Exit::Code(code) => (posix::NO_PLACE..=posix::NO_PROGRAMS).contains(&code),
        Exit::Signal(_) | Exit::Unknown => true,
    }
}

/// What a shell said in place of running a command, never empty.
pub(super) fn words(output: &Output, command: &str) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).replace(command, "…");
    let stderr = String::from_utf8_lossy(&output.stderr).replace(command, "…");
    let both = [stdout.trim(), stderr.trim()];
    let words = both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    if words.is_empty() { said(output) } else { clean::block(&words.replace('\r', ""), clean::MESSAGE) }
}

/// A shell that runs no commands, by its words.
pub(super) fn by_shell(node: &Node, words: &str) -> Failure {
    let (user, known) = (login(node), words.to_lowercase());
    let has = |some: &[&str]| some.iter().any(|text| known.contains(text));
    let hint = if let Some(other) = other_login(words) {
        format!("say user = {other:?} in the site file, with sudo = true where only root may read the store")
    } else if has(&["password", "account"])
        && has(&["expired", "change required", "must change", "required to change"])
    {
        format!(
            "give the login a new password on the node, or one without an end: chage -l {user} tells; or name another user"
        )
    } else if has(&["sftp"]) {
        "name a user that may run commands: this one may copy files only, by ForceCommand or by its shell"
            .to_owned()
    } else if has(&["not available", "nologin"]) {
        format!("give the login a shell on the node (usermod -s /bin/sh {user}), or name another user")
    } else if has(&[": restricted", "restricted:"]) {
        format!(
            "give the login an unrestricted shell on the node (usermod -s /bin/sh {user}), or name another user"
        )
    } else if let Some(os) = node.os.filter(|_| has(&["not recognized", "powershell"])) {
        format!("see os in the site file: the shell does not seem to be one of {os}")
    } else {
        format!(
            "let {user} run commands on the node: see its shell in passwd, command= in authorized_keys, ForceCommand in sshd_config"
        )
    };
    Failure::new(Outcome::ShellRefused, format!("the login's shell answers: {words}"), &hint)
}

/// Who logs in, as far as the site file says it.
fn login(node: &Node) -> &str {
    node.user.as_deref().unwrap_or("LOGIN")
}

/// The login that images of clouds name: `Please login as the user "ubuntu" rather than the user "root".`
fn other_login(words: &str) -> Option<String> {
    let after = words.split_once("login as the user ")?.1;
    let name = after.strip_prefix(['"', '\''])?.split(['"', '\'']).next()?;
    let is_login =
        |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    (!name.is_empty() && is_login(name)).then(|| name.to_owned())
}

/// Asks what `sudo` runs without a password.
pub(super) const SUDO_LIST: &str = "exec sh -c 'LC_ALL=C; export LC_ALL; exec sudo -n -l'";

/// `sudo` that runs no script. What else was printed before is not its word. `list` is the answer to [`SUDO_LIST`], where it was asked.
pub(super) fn by_sudo(node: &Node, output: &Output, list: Option<&Output>) -> Failure {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().filter(|line| is_sudos(line)).collect();
    let message = match lines.is_empty() {
        true => format!("sudo did not run the command: {}", said(output)),
        false => clean::block(&lines.join("\n"), clean::MESSAGE),
    };
    let listed = list.and_then(listed).map(|commands| other_commands(node, &commands));
    let hint = listed.unwrap_or_else(|| sudo_hint(node, &lines.join("\n")));
    Failure::new(Outcome::SudoRefused, message, &hint)
}

/// Whether `sudo` asked for a password that nobody was to give.
pub(super) fn wants_password(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("sudo: a password is required")
}

fn is_sudos(line: &str) -> bool {
    let begins = ["sudo:", "Sorry, user "].iter().any(|begin| line.starts_with(begin));
    let warns = line.contains("unable to resolve host");
    let of_sudo = ["sudoers", "not allowed to run sudo", "sudo: not found"];
    !warns && (begins || of_sudo.iter().any(|words| line.contains(words)))
}

/// The commands that `sudo -l` lists.
fn listed(list: &Output) -> Option<String> {
    let stdout = String::from_utf8_lossy(&list.stdout);
    let (_, commands) = stdout.split_once("may run the following commands on ")?;
    let commands: Vec<&str> =
        commands.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()).collect();
    (list.exit == Exit::Code(0) && !commands.is_empty()).then(|| clean::line(&commands.join("; "), 300))
}

fn other_commands(node: &Node, commands: &str) -> String {
    let user = login(node);
    format!(
        "sudoers lets {user} run other commands than sh ({commands}): add \"{user} ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh\", or log in as root"
    )
}

/// What to do about it, by the words of sudo 1.8 and 1.9 and of sudo-rs.
fn sudo_hint(node: &Node, words: &str) -> String {
    let user = login(node);
    let has = |some: &[&str]| some.iter().any(|text| words.contains(text));
    if has(&["have a tty"]) {
        format!("requiretty in sudoers asks for a terminal: add \"Defaults:{user} !requiretty\"")
    } else if has(&["not allowed to", "not in the sudoers"]) {
        other_commands(node, "see sudo -l")
    } else if has(&["change directory"]) {
        "runcwd or CWD= in sudoers names a directory that cannot be entered: correct it, or make the directory".to_owned()
    } else if has(&["change root"]) {
        "runchroot or CHROOT= in sudoers names a place that cannot be entered: correct it, or remove it for this login".to_owned()
    } else if has(&["sudo: not found", "sudo: command not found"]) {
        "sudo is not there: install it, or log in as root".to_owned()
    } else if has(&["sh: command not found", "unable to execute"]) {
        "sudo finds no sh: see secure_path and runchroot or CHROOT= in sudoers".to_owned()
    } else if has(&["setuid", "effective uid", "no new privileges"]) {
        "sudo cannot become root there: see its owner, its mode 4755 and nosuid on its file system".to_owned()
    } else if has(&["syntax error", "parse error", "no valid sudoers", "world writable", "owned by uid"]) {
        "sudoers cannot be used: visudo -c on the node tells why".to_owned()
    } else if has(&["account"]) {
        format!("the account has expired or is locked: chage -l {user} tells")
    } else if has(&["password"]) && node.sudo == Sudo::Password {
        "sudo does not take the password that was given; with rootpw or targetpw in sudoers it asks for another's".to_owned()
    } else if has(&["password"]) {
        format!(
            "sudo asks for a password: say sudo = \"password\" in the site file, or add NOPASSWD: to {user}'s rule in sudoers"
        )
    } else {
        format!("see what sudo -l -U {user} says on the node, or log in as root")
    }
}

/// `sudo` that runs `sh` and lets it start nothing.
pub(super) fn by_noexec(node: &Node, output: &Output) -> Failure {
    let hint =
        format!("NOEXEC or noexec in sudoers lets sh start no programs: add EXEC: to {}'s rule", login(node));
    Failure::new(
        Outcome::SudoRefused,
        format!("under sudo no program can be started: {}", said(output)),
        &hint,
    )
}
