//! Finds the snapshots of Docker's containers, which its daemon names in its own way.
//!
//! Its containers' records name an image since version 28, and no snapshot: that has the container's id for a name, and the
//! snapshotter is known from where the daemon mounts it (`daemon/snapshotter/mount.go`). Between the image's snapshots and the
//! container's lies one that the daemon commits for each container: the mount points of `/dev/console`, `/etc/hosts` and the
//! like (`daemon/containerd/image_snapshot.go`, `daemon/initlayer`). Metadata cannot tell what is in it, as little as what is in
//! the container's own.

use assay_verifier::json::{self, Shape};
use serde::Deserialize;

use super::{Container, Snapshot};

/// The namespace of Docker's images and containers.
pub const NAMESPACE: &str = "moby";

/// The snapshot that the container of that id and specification has.
pub fn snapshot(id: &str, specification: &[u8]) -> Option<Snapshot> {
    #[derive(Deserialize)]
    struct Specification {
        root: Root,
    }
    #[derive(Deserialize)]
    struct Root {
        path: String,
    }
    const SHAPE: Shape = Shape::Object(&[("root", &Shape::Object(&[("path", &Shape::Any)]))]);
    let Specification { root } = json::read(specification, &SHAPE).ok()?;
    let mut parts = root.path.rsplit(['/', '\\']);
    let is_own = parts.next() == Some(id);
    let snapshotter = parts.next().filter(|_| is_own && parts.next() == Some("rootfs"))?;
    Some(Snapshot { snapshotter: snapshotter.to_owned(), key: id.to_owned() })
}

/// Whether `key` is the snapshot that the daemon puts on the image's for that container.
pub fn is_init(container: &Container, key: &str) -> bool {
    container.namespace.as_str() == NAMESPACE && key.strip_suffix("-init") == Some(&container.usage.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_where_the_daemon_mounts_it() {
        let of = |json: &str| snapshot("id", json.as_bytes());
        let path = |path: &str| format!(r#"{{"ociVersion":"1.3.0","root":{{"path":"{path}"}}}}"#);
        let found = of(&path("/var/lib/docker/rootfs/overlayfs/id")).unwrap();
        assert_eq!((found.snapshotter.as_str(), found.key.as_str()), ("overlayfs", "id"));
        for other in [
            &path("/var/lib/docker/rootfs/overlayfs/other"),
            &path("/var/lib/docker/overlay2/0123/merged"),
            &path("rootfs"),
            &path("id"),
            "{}",
            r#"{"root":{"path":"/rootfs/overlayfs/id","Path":"/rootfs/native/id"}}"#,
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
