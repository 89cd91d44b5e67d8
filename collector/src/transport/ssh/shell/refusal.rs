//! Explains why a node does not run a visit's scripts, by what its shell or its `sudo` says instead. Pure.

use assay_report::Outcome;

use crate::clean;
use crate::nodes::{Node, Sudo};
use crate::transport::failure::Failure;
use crate::transport::output::{Exit, Output};

/// What a shell said instead of running a command; never empty.
pub(crate) fn words(output: &Output, command: &str) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).replace(command, "…");
    let stderr = String::from_utf8_lossy(&output.stderr).replace(command, "…");
    let both = [stdout.trim(), stderr.trim()];
    let words = both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    if words.is_empty() { output.complaint() } else { clean::block(&words.replace('\r', ""), clean::MESSAGE) }
}

/// The failure of a shell that does not run commands, by its words.
pub(crate) fn by_shell(node: &Node, words: &str) -> Failure {
    let (user, known) = (login(node), words.to_lowercase());
    let has = |some: &[&str]| some.iter().any(|text| known.contains(text));
    let hint = if let Some(other) = other_login(words) {
        format!("set user = {other:?} in the site file, with sudo = true if only root may read the store")
    } else if has(&["password", "account"])
        && has(&["expired", "change required", "must change", "required to change"])
    {
        format!(
            "give the login a new password on the node, or one that does not expire (see chage -l {user}), or name another user"
        )
    } else if has(&["sftp"]) {
        "name a user that may run commands: with its ForceCommand or its shell this one may copy files only"
            .to_owned()
    } else if has(&["not available", "nologin"]) {
        format!("give the login a shell on the node (usermod -s /bin/sh {user}), or name another user")
    } else if has(&[": restricted", "restricted:"]) {
        format!(
            "give the login an unrestricted shell on the node (usermod -s /bin/sh {user}), or name another user"
        )
    } else if let Some(os) = node.os.filter(|_| has(&["not recognized", "powershell"])) {
        format!("check os in the site file: the shell does not seem to be one of {os}")
    } else {
        format!(
            "let {user} run commands on the node: check its shell in passwd, command= in authorized_keys, ForceCommand in sshd_config"
        )
    };
    Failure::new(Outcome::ShellRefused, format!("the login's shell answers: {words}"), &hint)
}

/// The login, if the site file names it.
fn login(node: &Node) -> &str {
    node.user.as_deref().unwrap_or("LOGIN")
}

/// The login that a cloud image asks for: `Please login as the user "ubuntu" rather than the user "root".`
fn other_login(words: &str) -> Option<String> {
    let after = words.split_once("login as the user ")?.1;
    let name = after.strip_prefix(['"', '\''])?.split(['"', '\'']).next()?;
    let is_login =
        |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    (!name.is_empty() && is_login(name)).then(|| name.to_owned())
}

/// The command that asks what `sudo` runs without a password.
pub(crate) const SUDO_LIST: &str = "exec sh -c 'LC_ALL=C; export LC_ALL; exec sudo -n -l'";

/// The failure of a `sudo` that does not run the script. Only lines that `sudo` printed are quoted. `list` is the answer to
/// [`SUDO_LIST`], if it was asked.
pub(crate) fn by_sudo(node: &Node, output: &Output, list: Option<&Output>) -> Failure {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().filter(|line| is_sudos(line)).collect();
    let message = match lines.is_empty() {
        true => format!("sudo did not run the command: {}", output.complaint()),
        false => clean::block(&lines.join("\n"), clean::MESSAGE),
    };
    let listed = list.and_then(listed).map(|commands| other_commands(node, &commands));
    let hint = listed.unwrap_or_else(|| sudo_hint(node, &lines.join("\n")));
    Failure::new(Outcome::SudoRefused, message, &hint)
}

/// Whether `sudo` asked for a password although it was told not to.
pub(crate) fn wants_password(output: &Output) -> bool {
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
        "sudoers lets {user} run only other commands than sh ({commands}): add \"{user} ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh\", or log in as root"
    )
}

/// What to do about it, by the words of sudo 1.8 and 1.9 and of sudo-rs.
fn sudo_hint(node: &Node, words: &str) -> String {
    let user = login(node);
    let has = |some: &[&str]| some.iter().any(|text| words.contains(text));
    if has(&["have a tty"]) {
        format!("requiretty in sudoers demands a terminal: add \"Defaults:{user} !requiretty\"")
    } else if has(&["not allowed to", "not in the sudoers"]) {
        other_commands(node, "see sudo -l")
    } else if has(&["change directory"]) {
        "runcwd or CWD= in sudoers names a directory that cannot be entered: correct it, or create the directory".to_owned()
    } else if has(&["change root"]) {
        "runchroot or CHROOT= in sudoers names a place that cannot be entered: correct it, or remove it for this login".to_owned()
    } else if has(&["sudo: not found", "sudo: command not found"]) {
        "sudo is not installed: install it, or log in as root".to_owned()
    } else if has(&["sh: command not found", "unable to execute"]) {
        "sudo finds no sh: check secure_path and runchroot or CHROOT= in sudoers".to_owned()
    } else if has(&["setuid", "effective uid", "no new privileges"]) {
        "sudo cannot become root there: check its owner, its mode 4755, and nosuid on its file system"
            .to_owned()
    } else if has(&["syntax error", "parse error", "no valid sudoers", "world writable", "owned by uid"]) {
        "sudoers cannot be used: visudo -c on the node says why".to_owned()
    } else if has(&["account"]) {
        format!("the account has expired or is locked: see chage -l {user}")
    } else if has(&["password"]) && node.sudo == Sudo::Password {
        "sudo does not accept the password; with rootpw or targetpw in sudoers it wants that of another user"
            .to_owned()
    } else if has(&["password"]) {
        format!(
            "sudo asks for a password: set sudo = \"password\" in the site file, or add NOPASSWD: to {user}'s rule in sudoers"
        )
    } else {
        format!("see what sudo -l -U {user} says on the node, or log in as root")
    }
}

/// The failure of a `sudo` that runs `sh` but does not let it start programs.
pub(crate) fn by_noexec(node: &Node, output: &Output) -> Failure {
    let hint = format!(
        "NOEXEC or noexec in sudoers stops sh from starting programs: add EXEC: to {}'s rule",
        login(node)
    );
    Failure::new(
        Outcome::SudoRefused,
        format!("under sudo, sh cannot start programs: {}", output.complaint()),
        &hint,
    )
}
