//! Says of every image that its snapshots are not compared on this system.

use assay_judge::judgement::Examined;
use assay_judge::store::Store;
use assay_report::{Rootfs, RootfsMode, RootfsResult, Status};

/// Gives the images that `mode` names without a pass.
pub(crate) fn check(_: &dyn Store, images: Vec<Examined>, mode: RootfsMode, _: usize) -> Vec<Examined> {
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
