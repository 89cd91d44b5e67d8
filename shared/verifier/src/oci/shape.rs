//! The members of OCI documents that containerd's and the specification's own Go types know, for [`json::read`].
//!
//! [`json::read`]: crate::json::read

use crate::json::Shape::{self, Any, List, Object};

/// A descriptor.
pub const DESCRIPTOR: Shape = Object(&[
    ("mediaType", &Any),
    ("digest", &Any),
    ("size", &Any),
    ("urls", &Any),
    ("annotations", &Any),
    ("data", &Any),
    ("platform", &PLATFORM),
    ("artifactType", &Any),
]);

const PLATFORM: Shape = Object(&[
    ("architecture", &Any),
    ("os", &Any),
    ("os.version", &Any),
    ("os.features", &Any),
    ("variant", &Any),
]);

/// A manifest, an index or a layout's `index.json`: containerd looks for the members of all before it knows which it is.
pub const MANIFEST: Shape = Object(&[
    ("schemaVersion", &Any),
    ("mediaType", &Any),
    ("artifactType", &Any),
    ("config", &DESCRIPTOR),
    ("layers", &List(&DESCRIPTOR)),
    ("fsLayers", &Any),
    ("blobs", &List(&DESCRIPTOR)),
    ("manifests", &List(&DESCRIPTOR)),
    ("subject", &DESCRIPTOR),
    ("annotations", &Any),
]);

/// The file `oci-layout`.
pub const LAYOUT: Shape = Object(&[("imageLayoutVersion", &Any)]);

/// An image's config.
pub const CONFIG: Shape = Object(&[
    ("created", &Any),
    ("author", &Any),
    ("architecture", &Any),
    ("os", &Any),
    ("os.version", &Any),
    ("os.features", &Any),
    ("variant", &Any),
    (
        "config",
        &Object(&[
            ("User", &Any),
            ("ExposedPorts", &Any),
            ("Env", &Any),
            ("Entrypoint", &Any),
            ("Cmd", &Any),
            ("Volumes", &Any),
            ("WorkingDir", &Any),
            ("Labels", &Any),
            ("StopSignal", &Any),
            ("ArgsEscaped", &Any),
        ]),
    ),
    ("rootfs", &Object(&[("type", &Any), ("diff_ids", &Any)])),
    ("history", &List(&HISTORY)),
]);

const HISTORY: Shape = Object(&[
    ("created", &Any),
    ("created_by", &Any),
    ("author", &Any),
    ("comment", &Any),
    ("empty_layer", &Any),
]);
