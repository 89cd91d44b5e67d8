//! Explains errors of the operating system: if it refused access, by which rule, and what to do about it.
//!
//! The error number is the same whichever part of the system refuses. What confines this process is read from the kernel's own
//! files, once, after the first refusal: proc_pid_status(5), selinux(8), apparmor(7).

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::OnceLock;

/// An error of the operating system in words. A refusal comes with its likely cause and what to do.
pub fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!("{error}; {}", advice()),
        _ => error.to_string(),
    }
}

/// What confines this process, and what to do about a refusal.
pub fn advice() -> &'static str {
    static ADVICE: OnceLock<String> = OnceLock::new();
    ADVICE.get_or_init(|| {
        if cfg!(windows) {
            return "run as an administrator".to_owned();
        }
        let [status, enforce, current, apparmor] = [
            "/proc/self/status",
            "/sys/fs/selinux/enforce",
            "/proc/self/attr/current",
            "/proc/self/attr/apparmor/current",
        ]
        .map(text);
        Confinement::parse(Texts {
            status: &status,
            enforce: &enforce,
            current: &current,
            apparmor: &apparmor,
        })
        .to_string()
    })
}

/// The text of a small file of the kernel; empty if it cannot be read.
fn text(path: &str) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(16 << 10).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the kernel's files say of a process. The text of a file that does not exist is empty.
#[derive(Clone, Copy, Default)]
struct Texts<'t> {
    status: &'t str,
    enforce: &'t str,
    /// Written by the first of the active security modules.
    current: &'t str,
    apparmor: &'t str,
}

/// The user of a process, and what confines it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Confinement {
    /// The effective user id, if it is known.
    user: Option<u32>,
    /// Whether it may ignore the owner and mode of files.
    overrides: bool,
    /// Its context, if SELinux enforces.
    selinux: Option<String>,
    /// Its AppArmor profile with the profile's mode. A profile in complain mode still enforces its explicit denials.
    apparmor: Option<String>,
    /// Whether its system calls are filtered.
    seccomp: bool,
}

/// CAP_DAC_OVERRIDE, the second capability.
const DAC_OVERRIDE: u64 = 1 << 1;

impl Confinement {
    fn parse(texts: Texts<'_>) -> Self {
        let field = |name: &str| {
            let line = texts.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_whitespace()
        };
        let capabilities = field("CapEff").next().and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let [current, apparmor] =
            [texts.current, texts.apparmor].map(|text| text.trim_end_matches(['\0', '\n']));
        let selinux = (texts.enforce.trim() == "1").then(|| current.to_owned());
        // SELinux contexts do not have this form, and an unconfined process has no mode
        let profile = [apparmor, current].into_iter().find(|text| text.ends_with(')') && text.contains(" ("));
        Self {
            // real, effective, saved, of the file system
            user: field("Uid").nth(1).and_then(|id| id.parse().ok()),
            overrides: capabilities.is_some_and(|held| held & DAC_OVERRIDE != 0),
            selinux,
            apparmor: profile.map(str::to_owned),
            seccomp: field("Seccomp").next() == Some("2"),
        }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.user {
            _ if self.overrides => {}
            Some(0) => return f.write_str("this is root without CAP_DAC_OVERRIDE; give it that capability"),
            Some(user) => return write!(f, "this is user {user}; run as root, or with sudo"),
            None => return f.write_str("run as root, or with sudo"),
        }
        f.write_str("this is root")?;
        if let Some(context) = &self.selinux {
            write!(f, "; SELinux enforces, for {context}: see ausearch -m AVC -ts recent")?;
        }
        if let Some(profile) = &self.apparmor {
            write!(f, "; AppArmor has the profile {profile}: see journalctl -k | grep apparmor")?;
        }
        if self.seccomp {
            f.write_str("; seccomp filters system calls")?;
        }
        if *self == (Self { user: self.user, overrides: true, ..Self::default() }) {
            f.write_str(
                "; the file may be on a network, or belong to another user namespace: see journalctl -k",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Name:\tassay-agent\nUid:\t0\t0\t0\t0\nCapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n";
    const NOBODY: &str =
        "Uid:\t1000\t65534\t65534\t65534\nCapEff:\t0000000000000000\nSeccomp:\t0\nSeccomp_filters:\t0\n";
    const CONTAINER: &str = "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425f9\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    fn confinement(status: &str, enforce: &str, current: &str, apparmor: &str) -> Confinement {
        Confinement::parse(Texts { status, enforce, current, apparmor })
    }

    #[test]
    fn tells_users_and_capabilities_apart() {
        let who = |status| {
            let Confinement { user, overrides, seccomp, .. } = confinement(status, "", "", "");
            (user, overrides, seccomp)
        };
        assert_eq!(who(ROOT), (Some(0), true, false));
        assert_eq!(who(NOBODY), (Some(65534), false, false));
        assert_eq!(who(CONTAINER), (Some(0), false, true));
        assert_eq!(who(""), (None, false, false));
        assert_eq!(who("Uid:\nCapEff:\tzz\nSeccomp:"), (None, false, false));
    }

    #[test]
    fn names_the_security_modules_that_confine() {
        let context = "system_u:system_r:init_t:s0";
        for (enforce, current, apparmor, selinux, profile) in [
            ("1", "system_u:system_r:init_t:s0\0", "", Some(context), None),
            // permissive
            ("0", "system_u:system_r:init_t:s0\0", "", None, None),
            ("", "agent (enforce)\n", "", None, Some("agent (enforce)")),
            ("", "/usr/bin/a b (complain)\n", "", None, Some("/usr/bin/a b (complain)")),
            ("", "unconfined\n", "", None, None),
            // two modules at once
            ("1", "system_u:system_r:init_t:s0\0", "agent (kill)\n", Some(context), Some("agent (kill)")),
            ("", "", "unconfined\n", None, None),
            ("", "", "", None, None),
        ] {
            let found = confinement(ROOT, enforce, current, apparmor);
            assert_eq!(
                (found.selinux.as_deref(), found.apparmor.as_deref()),
                (selinux, profile),
                "{current:?}"
            );
        }
    }

    #[test]
    fn explains_refusals_and_nothing_else() {
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(explain(&refused).len() > refused.to_string().len());
        let absent = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(explain(&absent), absent.to_string());
        // Every user gets advice.
        for status in [ROOT, NOBODY, CONTAINER, ""] {
            for enforce in ["", "1"] {
                let words = confinement(status, enforce, "c", "p (enforce)").to_string();
                assert!(
                    !words.is_empty() && confinement(status, "", "", "").to_string().contains(' '),
                    "{words}"
                );
            }
        }
    }
}
