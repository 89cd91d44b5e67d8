//! Reads what a container's specification mounts into it.

use assay_verifier::json::{self, JsonError, Shape};
use serde::Deserialize;

/// A mount of the OCI runtime specification, config.md, "Mounts".
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mount {
    /// Where it is in the container.
    pub destination: String,
    /// What is mounted, such as a path of the node.
    #[serde(default)]
    pub source: Option<String>,
    /// The type of the file system; a bind mount may have none.
    #[serde(default, rename = "type")]
    pub mount_type: Option<String>,
}

impl Mount {
    /// The mounts in a container's specification, in their order.
    ///
    /// # Errors
    /// [`JsonError`] if the specification cannot be read.
    pub fn of_specification(json: &[u8]) -> Result<Vec<Self>, JsonError> {
        #[derive(Deserialize)]
        struct Specification {
            #[serde(default)]
            mounts: Option<Vec<Mount>>,
        }
        let Specification { mounts } = json::read(json, &SPECIFICATION)?;
        Ok(mounts.unwrap_or_default())
    }
}

const SPECIFICATION: Shape = Shape::Object(&[("mounts", &Shape::List(&MOUNT))]);

const MOUNT: Shape =
    Shape::Object(&[("destination", &Shape::Any), ("source", &Shape::Any), ("type", &Shape::Any)]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_in_their_order() {
        let mounts = Mount::of_specification(
            br#"{"mounts":[{"destination":"/proc","type":"proc","source":"proc","options":["nosuid"]},{"destination":"/x"}]}"#,
        )
        .unwrap();
        let found: Vec<_> = mounts.iter().map(|one| (&*one.destination, one.source.as_deref())).collect();
        assert_eq!(found, [("/proc", Some("proc")), ("/x", None)]);
        for none in ["{}", r#"{"mounts":null}"#, r#"{"mounts":[]}"#] {
            assert_eq!(Mount::of_specification(none.as_bytes()), Ok(vec![]), "{none}");
        }
        // runc would read these differently.
        for json in [
            "",
            r#"{"mounts":[{}]}"#,
            r#"{"mounts":{}}"#,
            r#"{"Mounts":[]}"#,
            r#"{"mounts":[{"destination":"a","Destination":"b"}]}"#,
        ] {
            assert!(Mount::of_specification(json.as_bytes()).is_err(), "{json}");
        }
    }
}
