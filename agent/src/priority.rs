//! Lowers the priority of this process, so that everything else on the node goes first.

/// Gives this process the lowest ordinary priority if `nice` is set. A thread inherits it from the thread that starts it, so this
/// comes before any thread is started. If the system refuses, the work is done at the usual priority.
///
/// On Linux the I/O scheduler follows it: a process without its own I/O priority is "best effort" at a level that depends on its nice
/// value, here the lowest, 7 (ioprio_set(2)).
#[cfg(unix)]
pub(crate) fn lower(nice: bool) {
    const NICEST: i32 = 19;
    if nice && let Err(error) = rustix::process::setpriority_process(None, NICEST) {
        crate::console::say(&format!("assay-agent: --nice has no effect: {error}"));
    }
}

/// Does nothing. On Windows a process inherits a lower priority class from the process that starts it.
#[cfg(not(unix))]
pub(crate) fn lower(_: bool) {}
