//! Writes the scripts for nodes with a POSIX shell, and reads what they print. Pure.
//!
//! Nothing that a node said becomes part of a command except the folder, which is matched against the exact form first.

use std::io;
use std::time::Duration;

use super::script::{
    ANY_FOLDER, CANNOT_RUN, FOLDER_LEFT, MADE, NO_PLACE, NO_PROGRAMS, NOT_UNPACKED, OTHER_BYTES,
    PROCESS_LEFT, Script, Shell, VISIT_RUNS, has_run,
};
use crate::clean;
use crate::nodes::{Architecture, Os, Platform, Sudo};
use crate::transport::host::{Folders, Preparation, Upload};
use crate::transport::input::{Input, Secret};
use crate::transport::output::Output;

/// A POSIX `sh`, however the login's own shell starts it.
#[derive(Debug)]
pub(crate) struct PosixShell {
    /// How the scripts come to run as root.
    pub(crate) sudo: Sudo,
    /// The password that `sudo` asks for.
    pub(crate) sudo_password: Option<Secret>,
}

impl Shell for PosixShell {
    fn prepare(&self, request: &Preparation<'_>) -> Script {
        self.script(prepare(self.sudo, request), None)
    }

    fn upload(&self, upload: &Upload<'_>) -> io::Result<Script> {
        let text = unpack(self.sudo, upload.folder, upload.sums_sha256);
        Ok(self.script(text, Some(upload.archive)))
    }

    fn run(&self, folder: &str, mark: &str, arguments: &[String], limit: Duration) -> Script {
        self.script(run(self.sudo, folder, mark, arguments, limit), None)
    }

    fn clean_up(&self, folders: &Folders) -> Script {
        self.script(clean_up(self.sudo, folders), None)
    }

    fn platform<'a>(&self, line: &'a str) -> Option<Result<Platform, &'a str>> {
        platform(line)
    }

    fn folder<'a>(&self, line: &'a str, name: &str) -> Option<&'a str> {
        folder(line, name)
    }

    /// The script says where it tries before it does.
    fn may_have_made(&self, output: &Output) -> bool {
        let stdout = String::from_utf8_lossy(&output.stdout);
        if stdout.lines().any(|line| line.starts_with("assay-")) {
            stdout.lines().any(|line| line.starts_with("assay-tries "))
        } else {
            has_run(output)
        }
    }

    fn is_stopped_by_sudo(&self, stdout: &str) -> bool {
        self.sudo != Sudo::No && !stdout.lines().any(|line| line == BEGINS)
    }

    fn forbidden_hint(&self, stdout: &str) -> String {
        let named: Vec<String> = stdout
            .lines()
            .filter_map(|line| line.strip_prefix("assay-forbids "))
            .map(|what| clean::line(what, 200))
            .collect();
        if named.is_empty() {
            return "use the static release build; the node shows no security module".to_owned();
        }
        format!(
            "let it run there, or use the static release build; it may be forbidden by {}; ausearch -m AVC -ts recent and journalctl -k say more",
            named.join("; ")
        )
    }
}

impl PosixShell {
    /// What a script reads has the password in front of it that `sudo` may ask for. If `sudo` does not ask after all, the script
    /// finds the password in front of its own input, which therefore begins with a line that says so.
    fn script(&self, text: String, input: Option<&Input>) -> Script {
        let Some(password) = &self.sudo_password else { return Script { text, input: input.cloned() } };
        let mut fed = Input::default();
        fed.secret(password);
        if let Some(input) = input {
            fed.bytes(format!("{INPUT_BEGINS}\n").into_bytes());
            fed.append(input);
        }
        Script { text, input: Some(fed) }
    }
}

/// Where a folder is tried, in this order: memory first, what survives a reboot later, `$HOME` last.
const PLACES: &str = r#"/run /var/tmp /tmp "$HOME""#;

/// The first line that each script prints. A shell that does not run scripts does not print it.
const BEGINS: &str = "assay-begins";

/// While a visit runs, its folder says so. The file `visit` names the process that ends with the connection, by its number and
/// its start: the nearest ancestor that is an SSH server, or the parent if there is none.
const VISIT: &str = r#"
visit() {
  p=$PPID v=
  while s= && { read -r s <"/proc/$p/stat"; } 2>/dev/null; do
    set -- ${s##*')'}
    v=${v:-$p ${20}}
    case $s in "$p (sshd"*|"$p (dropbear"*) v="$p ${20}"; break;; esac
    p=$2
  done
  echo "$v" >"$f/visit"
}"#;

/// What a script needs to say why a program cannot be run: whether the file system is mounted `noexec`, and which security
/// modules are active, one line each. The shell itself gets the same error from all of them.
const FORBIDS: &str = r#"
noexec() {
  m=$(df -Pk "$1" 2>/dev/null | { read -r _; read -r _ _ _ _ _ m; echo "$m"; })
  o=
  while read -r _ p _ q _; do [ "$p" = "$m" ] && o=$q; done 2>/dev/null </proc/self/mounts
  case ,$o, in *,noexec,*) return 0;; esac
  return 1
}
forbids() {
  a=$(tr -d '\0' 2>/dev/null </proc/self/attr/current)
  [ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ] && echo "assay-forbids SELinux, for $a"
  for a in "$(cat /proc/self/attr/apparmor/current 2>/dev/null)" "$a"; do
    case $a in *' ('*')') echo "assay-forbids AppArmor, by its profile $a"; break;; esac
  done
  grep -qs fapolicyd /proc/[0-9]*/comm && echo 'assay-forbids fapolicyd'
}"#;

/// One word for a POSIX shell, whatever `text` contains.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Says what the node is, finds a place for the folder and makes it there.
///
/// The name is unpredictable, and `mkdir` fails if the folder exists. A place is passed over if others could replace the folder
/// there, if programs may not be run there, or if it has too little room. If the collector has given up a slow script, the script
/// cannot print: then it makes no folder, and removes the one that it has made.
fn prepare(sudo: Sudo, request: &Preparation<'_>) -> String {
    let unames: Vec<String> = request
        .platforms
        .iter()
        .filter_map(|platform| uname(*platform))
        .flatten()
        .map(|name| quote(name))
        .collect();
    let unames = if unames.is_empty() { quote("none") } else { unames.join("|") };
    let (name, needed) = (request.name, request.needed.div_ceil(1024));
    let script = format!(
        r#"
case "$(uname -sm)" in {unames}) ;; '') exit {NO_PROGRAMS};; *) exit 0;; esac
umask 077
trap '' PIPE
{FORBIDS}
{VISIT}
for d in {PLACES}; do
  [ -d "$d" ] || continue
  case $d in *[!A-Za-z0-9._/-]*) continue;; esac
  case $(ls -ld "$d/.") in
    d????w???[!tT]*|d???????w[!tT]*) echo "assay-place $d others-may-write"; continue;;
  esac
  [ -w "$d" ] || {{ echo "assay-place $d not-writable"; continue; }}
  k=$(df -Pk "$d" 2>/dev/null | {{ read -r _; read -r _ _ _ k _; echo "$k"; }})
  case $k in
    ''|*[!0-9]*) ;;
    *) [ "$k" -ge {needed} ] || {{ echo "assay-place $d full"; continue; }};;
  esac
  f="$d/{name}"
  echo "assay-tries $d" || exit {NO_PLACE}
  mkdir -m 700 "$f" 2>/dev/null || {{ echo "assay-place $d not-writable"; continue; }}
  if visit && printf '#!/bin/sh\nexit 0\n' > "$f/probe"; then
    chmod 700 "$f/probe"
    if "$f/probe" 2>/dev/null; then
      rm -f "$f/probe"
      echo "assay-folder $f" || rm -rf "$f"
      exit {MADE}
    fi
    rm -rf "$f"
    if noexec "$d"; then echo "assay-place $d noexec"; else echo "assay-place $d not-executable"; fi
  else
    rm -rf "$f"
    echo "assay-place $d full"
  fi
done
forbids
exit {NO_PLACE}
"#
    );
    let first = r#"echo; echo "assay-node $(uname -sm)"; echo "assay-clock $(date +%s)"; "#;
    command(first, sudo, &script)
}

/// Unpacks standard input, compares every file with its digest, and checks that the agent runs.
fn unpack(sudo: Sudo, folder: &str, sums_sha256: &str) -> String {
    let script = format!(
        r#"
umask 077
{FORBIDS}
{VISIT}
{to_input}
f={folder}
cd "$f" || exit {NOT_UNPACKED}
visit
tar -x -o -f - || exit {NOT_UNPACKED}
h=$(sha256sum SHA256SUMS) || exit {OTHER_BYTES}
[ "${{h%% *}}" = {sums_sha256} ] || exit {OTHER_BYTES}
sha256sum -c SHA256SUMS >/dev/null || exit {OTHER_BYTES}
./assay-agent version >/dev/null || {{ noexec . && echo 'assay-forbids noexec'; forbids; exit {CANNOT_RUN}; }}
echo assay-uploaded
"#,
        to_input = to_input(sudo),
        folder = quote(folder),
    );
    command("", sudo, &script)
}

/// Runs the agent in its folder. Its report follows the line `mark`. `timeout` ends the agent if the collector cannot.
fn run(sudo: Sudo, folder: &str, mark: &str, arguments: &[String], limit: Duration) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| quote(argument)).collect();
    let script = format!(
        r#"
umask 077
{VISIT}
f={folder}
cd "$f" || exit {CANNOT_RUN}
visit
echo {mark}
t=
timeout -k 5 5 true 2>/dev/null && t='timeout -k 5 {limit}'
exec $t ./assay-agent {arguments} --output=-
"#,
        folder = quote(folder),
        limit = limit.as_secs().max(1),
        arguments = arguments.join(" "),
    );
    command("", sudo, &script)
}

/// Ends every process in the folders, removes them, and checks that they are gone. If the folders are those of any visit, one
/// whose visit still runs is left alone.
///
/// Only folders and processes of this login count. A process is in a folder if its program or its working directory is. Anyone may
/// choose those names, so nothing is parsed out of them, and the working directory is compared as a file. A process's arguments
/// do not count, because every program that looks at the folder has its name there. The first `case` looks at all names
/// together, which only saves time.
///
/// Another clean-up at the same time may remove what this one's `rm` is about to remove, so a removal that fails is tried
/// again.
fn clean_up(sudo: Sudo, folders: &Folders) -> String {
    let (name, passed_over) = match folders {
        Folders::OfVisit(name) => (name.as_str(), String::new()),
        Folders::OfAnyVisit => (
            ANY_FOLDER,
            format!(
                r#"visited && {{ echo "assay-visited $f"; [ "$r" != 0 ] || r={VISIT_RUNS}; continue; }}"#
            ),
        ),
    };
    let script = format!(
        r#"
inside() {{
  case $(ls -l /proc/[0-9]*/exe /proc/[0-9]*/cwd 2>/dev/null) in *"$f"*) ;; *) return;; esac
  for p in /proc/[0-9]*; do
    case ${{p#/proc/}} in *[!0-9]*) continue;; esac
    [ -O "$p" ] || continue
    [ "$p/cwd" -ef "$f" ] || case $(readlink "$p/exe") in "$f"/*) ;; *)
      case $(readlink "$p/cwd") in "$f"/*) ;; *) continue;; esac;;
    esac
    echo "${{p#/proc/}}"
  done 2>/dev/null
}}
visited() {{
  [ -s "$f/visit" ] || sleep 1
  b= s=
  {{ read -r p b <"$f/visit"; read -r s <"/proc/$p/stat"; }} 2>/dev/null
  set -- ${{s##*')'}}
  if [ -n "$b" ]; then [ "${{20}}" = "$b" ]; else [ -n "$(inside)" ]; fi
}}
pause() {{ sleep 0.1 2>/dev/null || sleep 1; }}
r=0
for d in {PLACES}; do
  for f in "$d"/{name}; do
    case ${{f##*/}} in *[!A-Za-z0-9-]*) continue;; esac
    [ -d "$f" ] && [ ! -L "$f" ] && [ -O "$f" ] || continue
    {passed_over}
    i=0
    while p=$(inside); [ -n "$p" ] && [ "$i" -lt 50 ]; do
      for p in $p; do kill -9 "$p" 2>/dev/null; done
      pause
      i=$((i+1))
    done
    if [ -n "$p" ]; then echo "assay-left $f"; r={PROCESS_LEFT}; fi
    i=0
    until rm -rf "$f" 2>/dev/null || [ "$i" -ge 5 ]; do
      pause
      i=$((i+1))
    done
    rm -rf "$f"
    if [ -e "$f" ] || [ -L "$f" ]; then echo "assay-left $f"; r={FOLDER_LEFT}; else echo "assay-removed $f"; fi
  done
done
[ "$r" = 0 ] && echo assay-clean
exit "$r"
"#
    );
    command("", sudo, &script)
}

/// The command that runs a script in a shell of its own, as root if `sudo` is wanted and the login is not root already. `first` is
/// run before that: commands without single quotes, on one line.
///
/// Every login shell, including csh and fish, can start `sh` with these words: they are on one line, and between single quotes none
/// of their characters is special to any shell. `printf` turns them into the script. The leading `echo` ends a line that the
/// login's shell may have begun. `assay-sudo` shows that the login runs commands, so that something may be left if `sudo` let
/// the script run. A password comes first on standard input; `-k` makes `sudo` ask for it each time and keep no ticket.
fn command(first: &str, sudo: Sudo, script: &str) -> String {
    let words = words(&format!(
        "PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL; echo; echo {BEGINS}{script}"
    ));
    let through = match sudo {
        Sudo::No => "",
        Sudo::Yes => {
            r#"echo; echo assay-sudo; LC_ALL=C; export LC_ALL; [ "$(id -u)" = 0 ] || exec sudo -n sh -c "$s"; "#
        }
        Sudo::Password => {
            r#"echo; echo assay-sudo; LC_ALL=C; export LC_ALL; [ "$(id -u)" = 0 ] || exec sudo -k -S -p "" sh -c "$s"; "#
        }
    };
    format!(r#"exec sh -c '{first}s=$(printf %b "$@"); {through}exec sh -c "$s"' sh {words}"#)
}

/// Characters of one word: csh accepts 8,191.
const WORD: usize = 4_000;

/// A text as words between single quotes, from which `printf %b` restores it. Between single quotes csh still expands `!` and
/// does not allow line ends, and fish still reads `\\` and `\'`.
fn words(text: &str) -> String {
    let mut words = String::from("'");
    let mut length = 0;
    for byte in text.bytes() {
        let before = words.len();
        match byte {
            b'\n' => words.push_str(r"\n"),
            b' '..=b'~' if !matches!(byte, b'!' | b'\'' | b'\\') => words.push(char::from(byte)),
            _ => words.push_str(&format!(r"\0{byte:03o}")),
        }
        length += words.len() - before;
        if length >= WORD {
            words.push_str("' '");
            length = 0;
        }
    }
    words + "'"
}

/// The shell commands that skip to where the script's own input begins.
fn to_input(sudo: Sudo) -> String {
    match sudo {
        Sudo::No | Sudo::Yes => String::new(),
        Sudo::Password => format!(
            r#"read -r l; [ "$l" = {INPUT_BEGINS} ] || read -r l; [ "$l" = {INPUT_BEGINS} ] || exit {NOT_UNPACKED}"#
        ),
    }
}

/// The line before a script's own input.
const INPUT_BEGINS: &str = "assay-input-begins";

/// The folder of a line `assay-folder …`, if it has the exact form that [`prepare`] makes.
fn folder<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let path = line.strip_prefix("assay-folder ")?;
    let place = path.strip_suffix(name)?.strip_suffix('/')?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    let whole = place.starts_with('/') && place.bytes().all(safe);
    let plain = place.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
    (whole && plain).then_some(path)
}

/// The platform that a line `assay-node …` names.
fn platform(line: &str) -> Option<Result<Platform, &str>> {
    let uname = line.strip_prefix("assay-node ")?;
    // A POSIX shell on Windows does not make the node a POSIX one, and PowerShell prints the word without an answer.
    let windows = ["MINGW", "MSYS", "CYGWIN"].iter().any(|kind| uname.starts_with(kind));
    (!windows && !uname.trim().is_empty()).then(|| from_uname(uname).ok_or(uname))
}

/// What `uname -sm` prints on a platform.
fn uname(platform: Platform) -> Option<&'static [&'static str]> {
    match (platform.os, platform.architecture) {
        (Os::Linux, Architecture::Amd64) => Some(&["Linux x86_64", "Linux amd64"]),
        (Os::Linux, Architecture::Arm64) => Some(&["Linux aarch64", "Linux arm64"]),
        (Os::Windows, _) => None,
    }
}

/// The platform that `uname -sm` names.
fn from_uname(text: &str) -> Option<Platform> {
    [Architecture::Amd64, Architecture::Arm64]
        .into_iter()
        .map(|architecture| Platform { os: Os::Linux, architecture })
        .find(|platform| uname(*platform).is_some_and(|names| names.contains(&text)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    #[cfg(unix)]
    use std::process::Stdio;

    use super::*;

    #[test]
    #[cfg_attr(windows, ignore = "needs sh")]
    fn quoting_survives_a_real_shell() {
        let nasty = [
            "",
            "plain",
            "it's",
            "''",
            "a b\tc",
            "$HOME `id` $(id) \\ \\\\ \"",
            "line\nline\n",
            "*?[a-z]{a,b}~!#&|;<>()",
            "-n",
            "äöü \u{1f600}",
            "'\\''",
            "%s%n",
        ];
        for text in nasty {
            let command = format!("printf %s {}", quote(text));
            let output = Command::new("sh").arg("-c").arg(&command).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
            let twice = format!("sh -c {}", quote(&command));
            let output = Command::new("sh").arg("-c").arg(&twice).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    /// The shells that nodes use as `sh`, as far as they are installed here.
    #[cfg(unix)]
    fn shells() -> Vec<Vec<&'static str>> {
        let shells =
            [vec!["dash"], vec!["busybox", "sh"], vec!["bash", "--posix"], vec!["mksh"], vec!["ksh93"]];
        let is_here = |shell: &Vec<&str>| {
            Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", ":"])
                .output()
                .is_ok_and(|ran| ran.status.success())
        };
        let here: Vec<_> = shells.into_iter().filter(is_here).collect();
        assert!(!here.is_empty());
        here
    }

    #[test]
    #[cfg(unix)]
    fn a_script_arrives_whole_whatever_shell_gets_it() {
        let all: String = (1..=0x17f).map(char::from_u32).map(Option::unwrap).collect();
        let text = format!("{all}{}", "!! \\\\ \\' $x `x` %s \\n".repeat(1000));
        let command = command("", Sudo::No, &format!("\nprintf %s {}", quote(&text)));
        assert!(!command.contains(['\n', '!']), "csh takes neither between single quotes");
        assert!(command.split("' '").all(|word| word.len() < WORD + 100));
        let others = ["csh", "bsd-csh", "tcsh", "fish", "zsh"].map(|shell| vec![shell]);
        for shell in shells().into_iter().chain(others) {
            let output = Command::new(shell[0]).args(&shell[1..]).arg("-c").arg(&command).output();
            let Ok(output) = output else { continue };
            let want = format!("\n{BEGINS}\n{text}");
            assert_eq!(String::from_utf8(output.stdout).unwrap(), want, "{shell:?}");
        }
    }

    /// A command that runs with this shell as `sh`, and with these programs before the system's.
    #[cfg(unix)]
    fn in_shell(shell: &[&str], text: &str, programs: &std::path::Path) -> Command {
        let sh = programs.join("sh");
        std::fs::write(&sh, format!("#!/bin/sh\nexec {} \"$@\"\n", shell.join(" "))).unwrap();
        make_executable(&sh);
        let mut command = Command::new(&sh);
        command.args(["-c", text]).env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
        command
    }

    /// The shells that run a program which stands before the system's in `PATH`. Some builds of busybox run their own instead.
    #[cfg(unix)]
    fn shells_that_use_path() -> Vec<Vec<&'static str>> {
        let programs = tempfile::tempdir().unwrap();
        for name in ["uname", "rm"] {
            let program = programs.path().join(name);
            std::fs::write(&program, "#!/bin/sh\necho replaced\n").unwrap();
            make_executable(&program);
        }
        let mut shells = shells();
        shells.retain(|shell| {
            let output = in_shell(shell, "uname; rm", programs.path()).output().unwrap();
            output.stdout == b"replaced\nreplaced\n"
        });
        assert!(!shells.is_empty());
        shells
    }

    #[cfg(unix)]
    fn make_executable(path: &std::path::Path) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(path, mode).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_script_that_nobody_hears_any_more_leaves_no_folder() {
        let platforms = ["Linux x86_64", "Linux aarch64"].map(|uname| from_uname(uname).unwrap());
        for shell in shells_that_use_path() {
            // where it is slow when it is given up: at its first word, just before it makes the folder, and while it makes it
            for slow in ["uname", "df", "mkdir"] {
                let scratch = tempfile::tempdir().unwrap();
                let [program, waits, gate] = [slow, "waits", "gate"].map(|name| scratch.path().join(name));
                let text = format!(
                    "#!/bin/sh\n/bin/{slow} \"$@\"\n: > {}\nwhile [ -e {} ]; do sleep 0.02; done\n",
                    waits.display(),
                    gate.display()
                );
                std::fs::write(&program, text).unwrap();
                make_executable(&program);
                std::fs::write(&gate, "").unwrap();
                let name = format!("assay-test-{}-{}", std::process::id(), crate::random::hex(4));
                let request =
                    Preparation { name: &name, needed: 0, platforms: &platforms, limit: Duration::MAX };
                let mut command = in_shell(&shell, &prepare(Sudo::No, &request), scratch.path());
                let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
                while !waits.exists() {
                    assert!(child.try_wait().unwrap().is_none(), "{shell:?} {slow}");
                    std::thread::sleep(Duration::from_millis(10));
                }
                drop(child.stdout.take());
                std::fs::remove_file(&gate).unwrap();
                child.wait().unwrap();
                for place in ["/run", "/var/tmp", "/tmp"] {
                    let folder = std::path::Path::new(place).join(&name);
                    assert!(!folder.exists(), "{shell:?} {slow}: {}", folder.display());
                }
            }
        }
    }

    /// What the clean-up of a visit's folder in `/tmp` prints.
    #[cfg(unix)]
    fn cleaned(shell: &[&str], name: &str, programs: &std::path::Path) -> std::process::Output {
        in_shell(shell, &clean_up(Sudo::No, &Folders::OfVisit(name.to_owned())), programs).output().unwrap()
    }

    #[test]
    #[cfg(unix)]
    fn a_removal_that_another_clean_up_disturbs_is_begun_again() {
        for shell in shells_that_use_path() {
            let programs = tempfile::tempdir().unwrap();
            let rm = programs.path().join("rm");
            std::fs::write(
                &rm,
                "#!/bin/sh\n[ -e \"$0-ended\" ] && exec /bin/rm \"$@\"\n: >\"$0-ended\"\nkill -9 $$\n",
            )
            .unwrap();
            make_executable(&rm);
            let name = format!("assay-test-{}-ended", std::process::id());
            std::fs::create_dir(format!("/tmp/{name}")).unwrap();
            let output = cleaned(&shell, &name, programs.path());
            assert!(programs.path().join("rm-ended").exists(), "{output:?}");
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert_eq!(
                output.stdout,
                format!("\n{BEGINS}\nassay-removed /tmp/{name}\nassay-clean\n").into_bytes()
            );
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_is_ended_for_where_it_is_and_not_for_what_it_is_called_or_told() {
        let sleep = |program: &str, at: &str, told: &str| {
            let mut command = Command::new(program);
            command.args(["-c", "read -r _", told]).current_dir(at).stdin(Stdio::piped()).spawn().unwrap()
        };
        for shell in shells() {
            let scratch = tempfile::tempdir().unwrap();
            let name = format!("assay-test-{}-{}", std::process::id(), crate::random::hex(4));
            let folder = format!("/tmp/{name}");
            let inner = format!("{folder}/trust/a b");
            std::fs::create_dir_all(&inner).unwrap();
            for program in ["assay-agent", "gone"] {
                std::fs::copy("/bin/dash", format!("{folder}/{program}")).unwrap();
            }
            // beside it, with names that end or continue like it; the targets of links show them as they are
            let besides = [" (deleted)", "\n", "x", "\n(deleted)", " "].map(|end| format!("{folder}{end}"));
            let forged = format!("{}/x\n{folder}", scratch.path().display());
            for beside in besides.iter().chain([&forged]) {
                std::fs::create_dir_all(beside).unwrap();
            }
            let mut ours = [
                sleep("sh", &folder, ""),
                sleep("sh", &inner, ""),
                sleep(&format!("{folder}/assay-agent"), "/", ""),
                sleep(&format!("{folder}/gone"), "/", ""),
            ];
            std::fs::remove_file(format!("{folder}/gone")).unwrap();
            let mut others: Vec<_> = besides.iter().chain([&forged]).map(|at| sleep("sh", at, "")).collect();
            others.push(sleep("sh", "/", &format!("{folder}/assay-agent")));
            others.push(sleep("sh", "/", &folder));

            let output = cleaned(&shell, &name, scratch.path());
            let ended = |child: &mut std::process::Child| child.try_wait().unwrap().is_some();
            let (ours, others): (Vec<_>, Vec<_>) = (
                ours.iter_mut().map(ended).collect(),
                others.iter_mut().map(|child| (ended(child), child.kill(), child.wait()).0).collect(),
            );
            for beside in &besides {
                std::fs::remove_dir_all(beside).unwrap();
            }
            assert_eq!(
                output.stdout,
                format!("\n{BEGINS}\nassay-removed {folder}\nassay-clean\n").into_bytes(),
                "{output:?}"
            );
            assert_eq!(ours, [true; 4], "{shell:?}");
            assert_eq!(others, [false; 8], "{shell:?}");
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "needs sh")]
    fn what_forbids_programs_is_asked_without_a_word_of_complaint() {
        // The shell reports no error, whatever this machine has.
        let command = format!("{FORBIDS}\nnoexec /bin && echo noexec\nforbids\nnoexec /not-there\nexit 0");
        let output = Command::new("sh").arg("-c").arg(&command).output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
        assert!(!output.stdout.starts_with(b"noexec"), "programs are run from there");
    }

    #[test]
    fn only_the_exact_folder_is_taken() {
        let name = "assay-run-0123456789abcdef";
        assert_eq!(
            folder(&format!("assay-folder /var/tmp/{name}"), name),
            Some(&*format!("/var/tmp/{name}"))
        );
        for path in [
            format!("/var/tmp/{name}x"),
            format!("/var/tmp/x{name}"),
            format!("/var/../tmp/{name}"),
            format!("//{name}"),
            format!("/{name}"),
            name.to_owned(),
            format!("tmp/{name}"),
            format!("/tmp/$(id)/{name}"),
            format!("/tmp/a b/{name}"),
            format!("/tmp/\n/{name}"),
            "/".to_owned(),
            String::new(),
        ] {
            assert_eq!(folder(&format!("assay-folder {path}"), name), None, "{path}");
        }
    }

    #[test]
    fn nodes_say_what_they_are() {
        let name = |line| platform(line).map(|found| found.map(|platform| platform.to_string()));
        assert_eq!(name("assay-node Linux x86_64"), Some(Ok("linux/amd64".to_owned())));
        assert_eq!(name("assay-node Linux aarch64"), Some(Ok("linux/arm64".to_owned())));
        assert_eq!(name("assay-node Linux riscv64"), Some(Err("Linux riscv64")));
        assert_eq!(name("assay-node MINGW64_NT-10.0-20348 x86_64"), None);
        assert_eq!(name("assay-node "), None);
        assert_eq!(name("Welcome"), None);
    }
}
