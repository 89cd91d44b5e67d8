//! Says of every image that its snapshots are not compared on this system.

use assay_judge::judgement::Examined;
use assay_judge::sources::Sources;
use assay_judge::store::Store;
use assay_report::{Drift, DriftMode, Rootfs, RootfsMode, RootfsResult, Status};
use assay_verifier::codes::Code;

/// Gives the images that `mode` names without a pass.
pub(crate) fn check(_: Sources<'_>, images: Vec<Examined>, mode: RootfsMode, _: usize) -> Vec<Examined> {
    let concluded = |examined: Examined| {
        let is_wanted = mode == RootfsMode::All || !examined.image.in_use.is_empty();
        if !is_wanted || examined.judgement.status == Status::Skipped {
            return examined;
        }
        let why = "unpacked files are compared on Linux alone".to_owned();
        let rootfs = Rootfs { result: Some(RootfsResult::NotRun), why: Some(why), ..Rootfs::default() };
        examined.with_rootfs(rootfs, 0, true, false)
    };
    images.into_iter().map(concluded).collect()
}

/// Says of every container that its writable layer is not looked at.
pub(crate) fn check_drift(_: &dyn Store, images: Vec<Examined>, mode: DriftMode, _: usize) -> Vec<Examined> {
    let why = "writable layers are looked at on Linux alone";
    let drift = |_: &str| Some((Drift::not_run(Code::WritableLayerUnread.as_str(), why.to_owned()), false));
    images.into_iter().map(|examined| examined.with_drift(mode, drift)).collect()
}
