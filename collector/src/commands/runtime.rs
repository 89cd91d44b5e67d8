//! What commands need of the system while they run.

use super::error::CommandError;

/// Removes unpacked files if a signal ends the program. For commands that have nothing else to clean up.
pub(super) fn remove_scratch_on_signals() -> Result<(), CommandError> {
    crate::scratch::remove_on_signals()
        .map_err(|source| CommandError::System { what: "watching for signals", source })
}

/// Runs asynchronous work to its end.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CommandError::System { what: "starting threads", source })?;
    let result = runtime.block_on(work);
    // Name lookups cannot be stopped, and are not waited for.
    runtime.shutdown_background();
    Ok(result)
}
