//! Why the command of a job is not carried out.

/// The command of a job cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error("the command of the job: {}", .0.to_string().lines().next().unwrap_or_default())]
    Command(clap::Error),
    #[error("the command of a job is verify or inventory, without --output")]
    NotAJob,
}
