//! Makes a control group with little memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A control group of its own with a bound on memory, of either version; `None` if it cannot be made.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// A group in which programs have `limit` bytes between them.
    pub fn new(limit: u64) -> Option<Self> {
        let name = format!("assay-guest-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        if root.join("cgroup.controllers").is_file() {
            // the controller is passed on where no process is in the way, as in the root itself
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
            let group = Self::made(root.join(name))?;
            fs::write(group.0.join("memory.max"), limit.to_string()).ok()?;
            // Without swap there is no file for it.
            let _ = fs::write(group.0.join("memory.swap.max"), "0");
            return Some(group);
        }
        let group = Self::made(root.join("memory").join(name))?;
        fs::write(group.0.join("memory.limit_in_bytes"), limit.to_string()).ok()?;
        let _ = fs::write(group.0.join("memory.memsw.limit_in_bytes"), limit.to_string());
        Some(group)
    }

    fn made(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    /// `program` in the group from its first instruction on.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(self.0.join("cgroup.procs")).arg(program);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It is empty by now, even if it cannot be removed.
        let _ = fs::remove_dir(&self.0);
    }
}
