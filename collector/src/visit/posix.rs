//! The commands for nodes with a POSIX shell. Pure: values in, command text out.
//!
//! Nothing that a node said is part of a command but the folder, which is matched against the exact form first. Each
//! script says in its own words how far it came; an exit status alone is never taken for success.

use std::time::Duration;

use super::Prepare;
use super::platform::Platform;
use crate::nodes::Sudo;
use crate::ssh::{Input, Secret};

/// Where a folder is tried, in this order: memory first, and what survives a reboot last. `$HOME` is the last resort.
const PLACES: &str = r#"/run /var/tmp /tmp "$HOME""#;

/// No place for the folder.
pub(crate) const NO_PLACE: u32 = 41;
/// Unpacking failed.
pub(crate) const NOT_UNPACKED: u32 = 42;
/// Other bytes arrived.
pub(crate) const OTHER_BYTES: u32 = 43;
/// The folder is still there.
pub(crate) const FOLDER_LEFT: u32 = 44;
/// A process still runs in the folder.
pub(crate) const PROCESS_LEFT: u32 = 45;
/// The agent cannot be run here.
pub(crate) const CANNOT_RUN: u32 = 46;

/// What a script needs to say why a program cannot be run: whether it is the file system's option, and what else forbids things
/// here, a line each. Whoever it is that refuses, the shell is told the same.
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

/// One word for a POSIX shell, whatever `text` holds.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Says what the node is, finds a place for the folder and makes it there.
///
/// The name is ours and unpredictable, and `mkdir` refuses one that exists. A place is passed over where others could
/// exchange the folder, where nothing may be executed, and where there is too little room.
pub(super) fn prepare(prepare: &Prepare<'_>) -> String {
    let unames: Vec<String> = prepare
        .platforms
        .iter()
        .filter_map(|platform| platform.uname())
        .flatten()
        .map(|name| quote(name))
        .collect();
    let unames = if unames.is_empty() { quote("none") } else { unames.join("|") };
    let (name, needed) = (prepare.name, prepare.needed.div_ceil(1024));
    let script = format!(
        r#"
case "$(uname -sm)" in {unames}) ;; *) exit 0;; esac
umask 077
{FORBIDS}
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
  mkdir -m 700 "$f" 2>/dev/null || {{ echo "assay-place $d not-writable"; continue; }}
  if printf '#!/bin/sh\nexit 0\n' > "$f/probe"; then
    chmod 700 "$f/probe"
    if "$f/probe" 2>/dev/null; then
      rm -f "$f/probe"
      echo "assay-folder $f"
      exit 0
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
    format!(
        "echo \"assay-node $(uname -sm)\"\necho \"assay-clock $(date +%s)\"\n{}",
        elevated(prepare.sudo, &script)
    )
}

/// Unpacks what comes on standard input, compares every file with its digest, and sees whether the agent runs.
pub(super) fn upload(sudo: Sudo, folder: &str, sums_sha256: &str) -> String {
    let script = format!(
        r#"
umask 077
{FORBIDS}
{to_input}
cd {folder} || exit {NOT_UNPACKED}
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
    elevated(sudo, &script)
}

/// Runs the agent in its folder. Its report follows the line `mark`; `timeout` ends it where this side cannot.
pub(super) fn run(sudo: Sudo, folder: &str, mark: &str, arguments: &[String], limit: Duration) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| quote(argument)).collect();
    let script = format!(
        r#"
umask 077
cd {folder} || exit {CANNOT_RUN}
echo {mark}
t=
timeout -k 5 5 true 2>/dev/null && t='timeout -k 5 {limit}'
exec $t ./assay-agent {arguments}
"#,
        folder = quote(folder),
        limit = limit.as_secs().max(1),
        arguments = arguments.join(" "),
    );
    elevated(sudo, &script)
}

/// Ends every process that is in the folders of that name or was told it, removes them, and looks whether they are gone.
///
/// `name` may have `?` in it. Folders of other users are none of ours. A script that was given up because the node is
/// slow may be about to make the folder: its command line has the name. This script's own has it in brackets only, and so
/// has grep's. Another clean-up at the same time may end this one's `rm`, whose command line has the name as well, or find
/// and remove what this one's was about to: what could not be removed is tried again.
pub(super) fn clean_up(sudo: Sudo, name: &str) -> String {
    let told = name.replace('?', ".").replacen('a', "[a]", 1);
    let (first, rest) = name.split_at(1);
    let script = format!(
        r#"
for p in $(grep -ls '{told}' /proc/[0-9]*/cmdline); do
  p=${{p#/proc/}}
  kill -9 "${{p%%/*}}" 2>/dev/null
done
running() {{
  ls -l /proc/[0-9]*/exe /proc/[0-9]*/cwd 2>/dev/null | while read -r l; do
    case $l in
      *" -> $f"|*" -> $f/"*|*" -> $f (deleted)") l=${{l#*/proc/}}; echo "${{l%%/*}}";;
    esac
  done
}}
pause() {{ sleep 0.1 2>/dev/null || sleep 1; }}
r=0
for d in {PLACES}; do
  for f in "$d"/[{first}]{rest}; do
    [ -d "$f" ] && [ ! -L "$f" ] && [ -O "$f" ] || continue
    i=0
    while p=$(running) && [ -n "$p" ]; do
      [ "$i" -lt 50 ] || break
      kill -9 $p 2>/dev/null
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
    elevated(sudo, &script)
}

/// The script in a shell of its own, as root where `sudo` is wanted and the login is not root already.
///
/// A password comes first on standard input ([`fed`]); `-k` has sudo ask for it each time and leave no ticket behind.
fn elevated(sudo: Sudo, script: &str) -> String {
    let script =
        quote(&format!("PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL{script}"));
    let through = match sudo {
        Sudo::No => return format!("exec sh -c {script}"),
        Sudo::Yes => "sudo -n",
        Sudo::Password => "sudo -k -S -p ''",
    };
    format!(r#"s={script}; if [ "$(id -u)" = 0 ]; then exec sh -c "$s"; else exec {through} sh -c "$s"; fi"#)
}

/// What a script reads, with the password before it that `sudo` may ask for. Where `sudo` does not ask after all, the
/// script finds the password in front of its own input, which therefore begins with a line that says so.
pub(super) fn fed(password: Option<&Secret>, input: Option<&Input>) -> Option<Input> {
    let Some(password) = password else { return input.cloned() };
    let mut fed = Input::default();
    fed.secret(password);
    if let Some(input) = input {
        fed.bytes(format!("{INPUT_BEGINS}\n").into_bytes());
        fed.append(input);
    }
    Some(fed)
}

/// The shell's way to where its input begins.
fn to_input(sudo: Sudo) -> String {
    match sudo {
        Sudo::No | Sudo::Yes => String::new(),
        Sudo::Password => format!(
            r#"read -r l; [ "$l" = {INPUT_BEGINS} ] || read -r l; [ "$l" = {INPUT_BEGINS} ] || exit {NOT_UNPACKED}"#
        ),
    }
}

/// The line before a script's input.
const INPUT_BEGINS: &str = "assay-input-begins";

/// The folder of a line `assay-folder …`, where it has the exact form that [`prepare`] makes.
pub(super) fn folder<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let path = line.strip_prefix("assay-folder ")?;
    let place = path.strip_suffix(name)?.strip_suffix('/')?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    let whole = place.starts_with('/') && place.bytes().all(safe);
    let plain = place.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
    (whole && plain).then_some(path)
}

/// What the line `assay-node …` says.
pub(super) fn platform(line: &str) -> Option<Result<Platform, &str>> {
    let uname = line.strip_prefix("assay-node ")?;
    // A POSIX shell on Windows does not make it a POSIX node, and PowerShell says the words without an answer.
    let windows = ["MINGW", "MSYS", "CYGWIN"].iter().any(|kind| uname.starts_with(kind));
    (!windows && !uname.trim().is_empty()).then(|| Platform::from_uname(uname).ok_or(uname))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

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

    #[test]
    #[cfg_attr(windows, ignore = "needs sh")]
    fn a_script_that_is_late_makes_no_folder_after_the_clean_up() {
        let name = format!("assay-test-{}", std::process::id());
        let request = Prepare { sudo: Sudo::No, name: &name, needed: 0, platforms: &[] };
        let late = format!("sleep 5\n{}", prepare(&request));
        let mut late = Command::new("sh").arg("-c").arg(&late).stdout(Stdio::null()).spawn().unwrap();
        let clean = Command::new("sh").arg("-c").arg(clean_up(Sudo::No, &name)).output().unwrap();
        assert_eq!(clean.status.code(), Some(0));
        assert_eq!(clean.stdout, b"assay-clean\n");
        assert_eq!(late.wait().unwrap().code(), None, "killed");
    }

    #[test]
    #[cfg(unix)]
    fn a_removal_that_another_clean_up_ends_is_begun_again() {
        let programs = tempfile::tempdir().unwrap();
        let ended_once =
            "#!/bin/sh\n[ -e \"$0-ended\" ] && exec /bin/rm \"$@\"\n: >\"$0-ended\"\nkill -9 $$\n";
        std::fs::write(programs.path().join("rm"), ended_once).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(programs.path().join("rm"), executable).unwrap();
        let name = format!("assay-test-{}-ended", std::process::id());
        std::fs::create_dir(format!("/tmp/{name}")).unwrap();
        let path = format!("{}:/usr/bin:/bin", programs.path().display());
        let mut command = Command::new("sh");
        let output = command.arg("-c").arg(clean_up(Sudo::No, &name)).env("PATH", path).output().unwrap();
        assert!(programs.path().join("rm-ended").exists(), "{output:?}");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output.stdout, format!("assay-removed /tmp/{name}\nassay-clean\n").into_bytes());
    }

    #[test]
    #[cfg_attr(windows, ignore = "needs sh")]
    fn what_forbids_programs_is_asked_without_a_word_of_complaint() {
        // whatever this machine has, these are no shell errors
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
