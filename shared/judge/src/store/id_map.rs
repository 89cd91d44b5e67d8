//! Reads the user namespace of a container, and names the copies of snapshots that containerd makes for it.
//!
//! A container in a user namespace runs on a copy of its image's snapshot in which every file belongs to another user, unless the
//! snapshotter maps users itself. containerd names the copy by the snapshot that it is of and by the container's mappings
//! (`container_opts_unix.go` and `snapshotter_opts_unix.go` of its client), so that containers with equal mappings share it.

use assay_verifier::json::{self, JsonError, Shape};
use assay_verifier::oci::Digest;
use serde::{Deserialize, Serialize};

/// The mappings of a container's user namespace; empty without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    uids: Vec<Mapping>,
    gids: Vec<Mapping>,
}

/// `LinuxIDMapping` of the OCI runtime specification, config-linux.md, "User namespace mappings". Written in this order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Mapping {
    #[serde(rename = "containerID")]
    container_id: u32,
    #[serde(rename = "hostID")]
    host_id: u32,
    size: u32,
}

impl IdMap {
    /// The mappings in a container's specification. OCI runtime specification, config.md.
    ///
    /// # Errors
    /// [`JsonError`] if the specification cannot be read.
    pub fn of_specification(json: &[u8]) -> Result<Self, JsonError> {
        #[derive(Deserialize)]
        struct Specification {
            #[serde(default)]
            linux: Option<Linux>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Linux {
            #[serde(default)]
            uid_mappings: Option<Vec<Mapping>>,
            #[serde(default)]
            gid_mappings: Option<Vec<Mapping>>,
        }
        let Specification { linux } = json::read(json, &SPECIFICATION)?;
        let Linux { uid_mappings, gid_mappings } = linux.unwrap_or_default();
        Ok(Self { uids: uid_mappings.unwrap_or_default(), gids: gid_mappings.unwrap_or_default() })
    }

    /// Whether `key` is the name of the copy that containerd makes of the snapshot `parent` for these mappings.
    pub fn names_copy(&self, key: &str, parent: &str) -> bool {
        let (Some(uid), Some(gid)) = (self.uids.first(), self.gids.first()) else { return false };
        key == format!("{parent}-{}-{}", uid.host_id, gid.host_id) || key == self.digest(parent).as_str()
    }

    /// The user and the group that the host takes for these of the container. Those outside of the mappings are shifted like the first
    /// ones, as containerd before 2 does; containerd since 2 makes no copy that has any.
    pub fn to_host(&self, uid: u32, gid: u32) -> (u32, u32) {
        let shift = |mappings: &[Mapping], id: u32| {
            let within =
                |mapping: &&Mapping| id.checked_sub(mapping.container_id).is_some_and(|at| at < mapping.size);
            match mappings.iter().find(within).or(mappings.first()) {
                None => id,
                Some(mapping) => id.wrapping_sub(mapping.container_id).wrapping_add(mapping.host_id),
            }
        };
        (shift(&self.uids, uid), shift(&self.gids, gid))
    }

    /// The name since containerd 2: the digest of this JSON.
    fn digest(&self, parent: &str) -> Digest {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Remapped<'a> {
            parent: &'a str,
            #[serde(rename = "IDMap")]
            id_map: Sorted,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Sorted {
            uid_map: Vec<Mapping>,
            gid_map: Vec<Mapping>,
        }
        let sorted = |mappings: &[Mapping]| {
            let mut mappings = mappings.to_vec();
            mappings.sort_by_key(|mapping| mapping.container_id);
            mappings
        };
        let id_map = Sorted { uid_map: sorted(&self.uids), gid_map: sorted(&self.gids) };
        // text and numbers cannot fail to be written
        Digest::sha256(&serde_json::to_vec(&Remapped { parent, id_map }).unwrap_or_default())
    }
}

const SPECIFICATION: Shape = Shape::Object(&[(
    "linux",
    &Shape::Object(&[("uidMappings", &Shape::List(&MAPPING)), ("gidMappings", &Shape::List(&MAPPING))]),
)]);

const MAPPING: Shape =
    Shape::Object(&[("containerID", &Shape::Any), ("hostID", &Shape::Any), ("size", &Shape::Any)]);

#[cfg(test)]
mod tests {
    use super::*;

    fn id_map(uids: &str, gids: &str) -> Result<IdMap, JsonError> {
        let linux = format!(r#"{{"uidMappings":{uids},"gidMappings":{gids},"resources":{{"devices":[]}}}}"#);
        IdMap::of_specification(
            format!(r#"{{"ociVersion":"1.0.2","root":{{"path":"rootfs"}},"linux":{linux}}}"#).as_bytes(),
        )
    }

    const USERS: &str = r#"[{"containerID":0,"hostID":1000,"size":65536}]"#;
    const GROUPS: &str = r#"[{"containerID":0,"hostID":2000,"size":65536}]"#;

    #[test]
    fn copies_are_named_by_what_they_are_of_and_for() {
        let map = id_map(USERS, GROUPS).unwrap();
        assert!(map.names_copy("sha256:a-1000-2000", "sha256:a"));
        // sha256 of {"Parent":"sha256:a","IDMap":{"UidMap":[{"containerID":0,"hostID":1000,"size":65536}],"GidMap":[{"containerID":0,"hostID":2000,"size":65536}]}}
        let text = format!(r#"{{"Parent":"sha256:a","IDMap":{{"UidMap":{USERS},"GidMap":{GROUPS}}}}}"#);
        let copy = Digest::sha256(text.as_bytes());
        assert!(map.names_copy(copy.as_str(), "sha256:a"));
        for (key, parent) in [
            ("sha256:a-1000-2000", "sha256:b"),
            ("sha256:a-1000-2001", "sha256:a"),
            ("sha256:a-1000-2000-remap", "sha256:a"),
            ("sha256:a", "sha256:a"),
            (copy.as_str(), "sha256:b"),
        ] {
            assert!(!map.names_copy(key, parent), "{key}");
        }
        for (uids, gids) in [("null", "null"), ("[]", "[]"), (USERS, "[]"), ("null", GROUPS)] {
            assert!(!id_map(uids, gids).unwrap().names_copy("sha256:a-1000-2000", "sha256:a"));
        }
    }

    #[test]
    fn users_are_shifted() {
        let map = id_map(
            r#"[{"containerID":0,"hostID":1000,"size":10},{"containerID":10,"hostID":5000,"size":5}]"#,
            GROUPS,
        )
        .unwrap();
        for (from, to) in
            [((0, 0), (1000, 2000)), ((9, 7), (1009, 2007)), ((10, 0), (5000, 2000)), ((99, 0), (1099, 2000))]
        {
            assert_eq!(map.to_host(from.0, from.1), to);
        }
        assert_eq!(IdMap::default().to_host(3, 4), (3, 4));
    }

    #[test]
    fn mappings_are_sorted_as_containerd_sorts_them() {
        let [low, high] =
            [r#"{"containerID":0,"hostID":9,"size":1}"#, r#"{"containerID":1,"hostID":7,"size":1}"#];
        let [one, other] = [format!("[{low},{high}]"), format!("[{high},{low}]")];
        assert_eq!(id_map(&one, &other).unwrap().digest("p"), id_map(&other, &one).unwrap().digest("p"));
    }

    #[test]
    fn a_specification_that_runc_reads_otherwise_is_refused() {
        for uids in ["{}", r#"[{"containerID":0}]"#, r#"[{"containerID":0,"hostID":1,"HostID":2,"size":1}]"#]
        {
            assert!(id_map(uids, "[]").is_err(), "{uids}");
        }
        for json in ["", "[]", "{}{}", r#"{"Linux":{}}"#, r#"{"linux":{"UIDMappings":[]}}"#] {
            assert!(IdMap::of_specification(json.as_bytes()).is_err(), "{json}");
        }
        for json in ["{}", r#"{"linux":null}"#, r#"{"linux":{}}"#, r#"{"windows":{}}"#] {
            assert_eq!(IdMap::of_specification(json.as_bytes()), Ok(IdMap::default()), "{json}");
        }
    }
}
