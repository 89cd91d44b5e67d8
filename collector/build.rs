//! Embeds the agents of the folder in `ASSAY_AGENTS`, compressed and with their digests. Without the variable it embeds none. A
//! release sets it, so that the jump box needs only one file.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through files and the environment"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha2::{Digest as _, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ASSAY_AGENTS");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("&[\n");
    if let Some(folder) = env::var_os("ASSAY_AGENTS").map(PathBuf::from) {
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut agents = fs::read_dir(&folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        agents.sort();
        for path in agents {
            let name =
                path.file_name().and_then(|name| name.to_str()).ok_or("a file name that is not UTF-8")?;
            let program = fs::read(&path)?;
            let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
            packed.write_all(&program)?;
            fs::write(out.join(name), packed.finish()?)?;
            let sha256 = hex::encode(Sha256::digest(&program));
            writeln!(
                table,
                "Embedded {{ name: {name:?}, size: {size}, sha256: {sha256:?}, packed: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")) }},",
                size = program.len(),
            )?;
        }
    }
    table += "]\n";
    fs::write(out.join("embedded.rs"), table)?;
    Ok(())
}
