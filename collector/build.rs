//! Embeds the agents of the folder in `ASSAY_AGENTS`. Without the variable it embeds none. `cargo release-artifacts` makes the
//! folder, with each agent compressed and a table of them, so that the jump box needs only one file.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through files and the environment"
)]

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ASSAY_AGENTS");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let Some(folder) = env::var_os("ASSAY_AGENTS").map(PathBuf::from) else {
        return Ok(fs::write(out.join("embedded.rs"), "&[]")?);
    };
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        fs::copy(&path, out.join(path.file_name().ok_or("a file without a name")?))?;
    }
    Ok(())
}
