//! Priority: whatever else runs on the node goes first.

/// Gives this process the lowest priority of ordinary ones, where `nice` is wanted. Threads take it over from the one that
/// starts them, so that this comes before any is started.
///
/// On Linux the disk's scheduler follows it: a process that was given no I/O priority of its own is "best effort" at the level
/// that its nice value stands for, 7 of 0 to 7 here (ioprio_set(2)). Where it is refused, the work is done all the same.
#[cfg(unix)]
pub(crate) fn lower(nice: bool) {
    const NICEST: i32 = 19;
    if nice && let Err(error) = rustix::process::setpriority_process(None, NICEST) {
        crate::console::say(&format!("assay-agent: --nice has no effect: {error}"));
    }
}

/// On Windows a process has the priority class of the one that starts it where that is a lower one, and nothing is done here.
#[cfg(not(unix))]
pub(crate) fn lower(_: bool) {}
