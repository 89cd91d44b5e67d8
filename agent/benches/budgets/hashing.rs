//! Hashing of content: the agent over an image of large layers, beside the hash function in memory and `sha256sum`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Algorithm as Key, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::layout::Layout;
use assay_verifier::oci::{Descriptor, Digest, DigestAlgorithm, media_type};
use serde_json::json;

use crate::measure::{self, Cost};
use crate::table::{Table, mebibytes};

/// A layer: larger than any cache.
const LAYER_BYTES: usize = 64 << 20;
const LAYERS: u8 = 8;

/// As the agent reads.
const PIECE: usize = 128 << 10;

const AT: &str = "2026-11-20T12:00:00Z";

pub(crate) fn measure(agent: &Path, work: &Path, table: &mut Table) {
    let folder = work.join("layers");
    let layers = write(&folder);
    let total = mebibytes(LAYER_BYTES as u64 * u64::from(LAYERS));
    let per_second = |cpu: Duration| total / cpu.as_secs_f64();
    let verify = |content: &str, jobs: &str| {
        let mut command = Command::new(agent);
        command.arg("verify").arg("--store").arg(format!("layout:{}", folder.join("layout").display()));
        command.arg("--trust").arg(folder.join("trust")).args([
            "--content",
            content,
            "--jobs",
            jobs,
            "--at",
            AT,
        ]);
        command
    };
    // Take turns, so that a busy minute slows all of them.
    let mut agents: Vec<Cost> = Vec::new();
    let mut memory: Vec<Duration> = Vec::new();
    let mut reading: Vec<Duration> = Vec::new();
    let mut peers: Vec<Cost> = Vec::new();
    let mut sum = Command::new("sha256sum");
    sum.args(&layers);
    for _ in 0..5 {
        agents.push(measure::run(&verify("full", "1")));
        memory.push(in_memory());
        reading.push(reading_alone(&layers));
        peers.push(measure::run(&sum));
    }
    let least = |costs: &[Cost]| costs.iter().map(|cost| cost.cpu).min().unwrap_or_default();
    let own = least(&agents) - measure::best(3, &verify("metadata", "1")).cpu;
    let memory = memory.into_iter().min().unwrap_or_default();
    let reading = reading.into_iter().min().unwrap_or_default();
    let peer = least(&peers);
    table.plain("SHA-256 in memory, one core", per_second(memory), "MiB/s");
    table.plain("reading the files alone, from the page cache", per_second(reading), "MiB/s");
    table.plain("agent, content from files, one core", per_second(own), "MiB/s");
    table.plain("sha256sum, the same files", per_second(peer), "MiB/s");
    table.at_least(
        "agent against SHA-256 in memory, per core",
        memory.as_secs_f64() / own.as_secs_f64(),
        0.9,
        "x",
    );
    // This is what the agent adds to the time that the system takes to hand over the bytes.
    let both = (memory + reading).as_secs_f64() / own.as_secs_f64();
    table.plain("agent against SHA-256 in memory and reading, per core", both, "x");
    table.at_least("agent against sha256sum, per core", peer.as_secs_f64() / own.as_secs_f64(), 3.0, "x");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = (0..3).map(|_| measure::run(&verify("full", &cores.to_string()))).min_by_key(|cost| cost.wall);
    let all = all.expect("three runs");
    let one = agents.iter().map(|cost| cost.wall).min().unwrap_or_default();
    let faster = one.as_secs_f64() / all.wall.as_secs_f64();
    table.plain(&format!("agent on {cores} cores against one, by the clock"), faster, "x");
    table.at_most("agent, peak memory, layers of 64 MiB, all cores", mebibytes(all.peak), 32.0, "MiB");
}

/// The CPU time of hashing as much from memory, in pieces of the agent's size.
fn in_memory() -> Duration {
    let bytes = vec![0x5a; LAYER_BYTES];
    let begun = measure::own_cpu();
    for _ in 0..LAYERS {
        let mut hasher = DigestAlgorithm::Sha256.hasher();
        bytes.chunks(PIECE).for_each(|piece| hasher.update(piece));
        std::hint::black_box(hasher.finish());
    }
    measure::own_cpu() - begun
}

/// The CPU time of reading the files in pieces of the agent's size, which is copying from the page cache.
fn reading_alone(files: &[PathBuf]) -> Duration {
    let mut buffer = vec![0; PIECE];
    let begun = measure::own_cpu();
    for file in files {
        let mut file = fs::File::open(file).expect("the layers are there");
        while file.read(&mut buffer).is_ok_and(|read| read > 0) {
            std::hint::black_box(&buffer);
        }
    }
    measure::own_cpu() - begun
}

/// Writes a layout of one signed image and its trust directory, and gives the layers' files.
fn write(folder: &Path) -> Vec<PathBuf> {
    let layout = folder.join("layout");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("scratch folder");
    let mut files = Vec::new();
    let mut layers = Vec::new();
    for number in 0..LAYERS {
        let bytes = vec![number; LAYER_BYTES];
        let digest = Digest::sha256(&bytes);
        let path = blobs.join(digest.hex());
        if !path.exists() {
            fs::File::create(&path).and_then(|mut file| file.write_all(&bytes)).expect("scratch folder");
        }
        files.push(path);
        layers.push(Descriptor::new("application/vnd.oci.image.layer.v1.tar", digest, bytes.len() as u64));
    }
    let mut rest = Layout::new();
    let config = rest.add("application/vnd.oci.image.config.v1+json", br#"{"os":"linux"}"#.to_vec());
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string();
    let image = rest.add(media_type::OCI_MANIFEST, manifest.into_bytes());
    rest.name(&image, "registry.example.test/layers:v1");
    let publisher = Publisher::new();
    let signature = publisher.sign(&mut rest, &image, Signature::Good(Key::P256, Format::Cose));
    rest.list(signature);
    rest.write(&layout).expect("scratch folder");
    archive::write_files(&folder.join("trust"), &publisher.trust()).expect("scratch folder");
    files
}
