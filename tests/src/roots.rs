//! Publishes real root file systems: what `tests/interop/roots.sh` made of Debian's packages and with the tools that make layers.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay_fixtures::image::linux_here;
use assay_judge::store::members::{Compression, decompressed};
use assay_verifier::oci::{Descriptor, Digest, media_type};
use serde_json::json;

use crate::packages::not_run;
use crate::published::{GOOD, Published};

/// The layers of a root file system, the lowest first, each packed in its way.
#[derive(Debug)]
pub struct Root {
    /// What it is called.
    pub name: String,
    layers: Vec<PathBuf>,
}

impl Root {
    /// How many bytes its layers have, packed.
    ///
    /// # Panics
    /// If they are gone.
    pub fn size(&self) -> u64 {
        let size = |layer: &PathBuf| fs::metadata(layer).expect("it was listed").len();
        self.layers.iter().map(size).sum()
    }
}

/// What the script has made; `None`, after saying so, if it could not.
///
/// # Panics
/// If these are few.
pub fn roots() -> Option<Vec<Root>> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/roots");
    let folder = std::env::var_os("ROOTS").map_or(made, PathBuf::from);
    if !folder.join(".made-1").is_file() {
        not_run("real root file systems. tests/interop/roots.sh makes them; ROOTS names their folder.");
        return None;
    }
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the script made it").map(|entry| entry.expect("listed"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().into_string().expect("the script's names")).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    };
    let root = |name: String| {
        let folder = folder.join(&name);
        Root { layers: names(&folder).iter().map(|layer| folder.join(layer)).collect(), name }
    };
    let roots: Vec<Root> = names(&folder).into_iter().map(root).collect();
    assert!(roots.len() >= 60, "{} root file systems", roots.len());
    Some(roots)
}

/// Publishes the roots as `roots/NAME`, and gives their targets in their order.
///
/// # Panics
/// If a layer cannot be read.
pub fn publish(published: &mut Published, roots: &[&Root]) -> Vec<Descriptor> {
    let publish = |root: &&Root| {
        let images = &mut published.images;
        let mut diff_ids = Vec::new();
        let mut layers = Vec::new();
        for path in &root.layers {
            let bytes = fs::read(path).expect("it was listed");
            diff_ids.push(Digest::sha256(&plain(&bytes)));
            let ending = match path.extension().and_then(|ending| ending.to_str()) {
                Some("gz") => "+gzip",
                Some("zst") => "+zstd",
                _ => "",
            };
            layers.push(images.add(&format!("application/vnd.oci.image.layer.v1.tar{ending}"), bytes));
        }
        let platform = linux_here();
        let config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": { "Entrypoint": ["/bin/tool"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = images.add("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string();
        let mut target = images.add(media_type::OCI_MANIFEST, manifest.into_bytes());
        target.platform = Some(platform);
        published.publish(&format!("roots/{}", root.name), &target, &[GOOD]);
        target
    };
    roots.iter().map(publish).collect()
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    let compression = Compression::detect(bytes).expect("gzip, zstd or tar");
    let _ = decompressed(bytes, compression).read_to_end(&mut tar).expect("the script packed it");
    tar
}
