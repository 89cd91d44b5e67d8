//! `--rootfs all` beside what it cannot do without, and beside `tar --compare`, on the same images. It needs root, containerd, tar,
//! gzip and zstd.
//!
//! The layers are this machine's own programs, libraries and texts, packed with gzip and with zstd.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Algorithm as Key, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::linux_here;
use assay_fixtures::layout::Layout;
use assay_judge::store::members::{Compression, decompressed};
use assay_verifier::oci::{Descriptor, Digest, DigestAlgorithm, media_type};
use serde_json::json;

use crate::containerd::Containerd;
use crate::measure::{self, Cost};
use crate::packages;
use crate::table::{Table, mebibytes};

/// What the layers have, each by its name: folders of this machine, and its part of all layers' size.
const LAYERS: [(&str, &[&str], u64); 4] = [
    ("programs", &["usr/bin", "usr/sbin"], 30),
    ("libraries", &["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib/gcc"], 35),
    ("scripts", &["usr/lib/python3", "usr/lib/python3.11", "usr/share/perl", "usr/include"], 15),
    ("texts", &["etc", "usr/share"], 20),
];

/// The images: how each is packed, and of which layers, the lowest first.
const IMAGES: [(&str, Packing, &[usize]); 3] = [
    ("gzip", Packing::Gzip, &[0, 1, 2, 3]),
    ("gzip-again", Packing::Gzip, &[3, 1]),
    ("zstd", Packing::Zstd, &[2, 0]),
];

/// The image whose memory alone is measured: four layers that each need a window of 32 MiB.
const LONG: (&str, Packing, &[usize]) = ("zstd-long", Packing::Long, &[3, 2, 1, 0]);

/// As the agent reads.
const PIECE: usize = 64 << 10;

const AT: &str = "2026-11-20T12:00:00Z";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Long,
}

impl Packing {
    fn command(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Gzip => ("gzip", &["-n"], "gzip"),
            Self::Zstd => ("zstd", &["-q"], "zstd"),
            Self::Long => ("zstd", &["-q", "--long=25", "-1"], "zstd-long"),
        }
    }
}

pub(crate) fn measure(agent: &Path, work: &Path, table: &mut Table) {
    if let Some(missing) =
        ["containerd", "tar", "gzip", "zstd"].iter().find(|name| packages::find(name).is_none())
    {
        return table.not_run("--rootfs", &format!("{missing} is not installed"));
    }
    let work = work.join("rootfs");
    fs::create_dir_all(&work).expect("scratch folder");
    compare(agent, &work, table);
    long_windows(agent, &work, table);
}

/// The agent, its parts and tar over the same layers.
fn compare(agent: &Path, work: &Path, table: &mut Table) {
    let node = Node::new(work, &IMAGES);
    let bytes = |file: &PathBuf| fs::metadata(file).map_or(0, |file| file.len());
    let packed: u64 = node.layers.iter().map(|layer| bytes(&layer.packed)).sum();
    let unpacked: u64 = node.layers.iter().map(|layer| bytes(&layer.tar)).sum();
    table.plain("layers, packed", mebibytes(packed), "MiB");
    table.plain("layers, unpacked", mebibytes(unpacked), "MiB");
    // Take turns, so that a busy minute slows all of them.
    let (mut agents, mut without, mut floors, mut tars): (Vec<Cost>, Vec<Cost>, Vec<Duration>, Vec<Cost>) =
        Default::default();
    for _ in 0..3 {
        agents.push(measure::run(&node.verify(agent, &["--rootfs", "all"], 1)));
        without.push(measure::run(&node.verify(agent, &[], 1)));
        floors.push(node.layers.iter().map(|layer| decompressed_and_hashed(&layer.packed)).sum());
        tars.push(measure::run(&node.compared_by_tar()));
    }
    let least = |costs: &[Cost]| costs.iter().map(|cost| cost.cpu).min().unwrap_or_default();
    let own = least(&agents) - least(&without);
    let floor = floors.into_iter().min().unwrap_or_default();
    let tar = least(&tars);
    let per_second = |cpu: Duration| mebibytes(unpacked) / cpu.as_secs_f64();
    table.plain("decompressing and hashing in process, one core", per_second(floor), "MiB/s");
    table.plain("agent, --rootfs all, one core", per_second(own), "MiB/s");
    table.plain("tar --compare, each layer", per_second(tar), "MiB/s");
    table.at_most(
        "agent against decompressing and hashing, per core",
        own.as_secs_f64() / floor.as_secs_f64(),
        1.5,
        "x",
    );
    table.at_most("agent against tar --compare, CPU time", own.as_secs_f64() / tar.as_secs_f64(), 1.0, "x");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = (0..3).map(|_| measure::run(&node.verify(agent, &["--rootfs", "all"], cores)));
    let all = all.min_by_key(|cost| cost.wall).expect("three runs");
    let one = agents.iter().map(|cost| cost.wall).min().unwrap_or_default();
    let faster = one.as_secs_f64() / all.wall.as_secs_f64();
    table.plain(&format!("agent on {cores} cores against one, by the clock"), faster, "x");
    let against_floor = all.wall.as_secs_f64() / floor.as_secs_f64();
    table.plain(
        "agent on all cores by the clock, against decompressing and hashing on one",
        against_floor,
        "x",
    );
    table.at_most("agent, peak memory, one core", mebibytes(agents[0].peak), 64.0, "MiB");
    let eight = measure::run(&node.verify(agent, &["--rootfs", "all"], 8));
    table.at_most("agent, peak memory, eight threads", mebibytes(eight.peak), 64.0, "MiB");
}

/// Layers that were packed with the largest windows that are read.
fn long_windows(agent: &Path, work: &Path, table: &mut Table) {
    let node = Node::new(work, &[LONG]);
    let cost = measure::run(&node.verify(agent, &["--rootfs", "all"], 8));
    table.at_most(
        "agent, peak memory, four windows of 32 MiB, eight threads",
        mebibytes(cost.peak),
        64.0,
        "MiB",
    );
}

/// A layer as a file.
struct Layer {
    packed: PathBuf,
    tar: PathBuf,
    /// The folder of its snapshot.
    folder: PathBuf,
}

/// A containerd that has unpacked the images, and what the agent needs to judge them.
struct Node {
    containerd: Containerd,
    work: PathBuf,
    layers: Vec<Layer>,
}

impl Node {
    fn new(work: &Path, images: &[(&str, Packing, &[usize])]) -> Self {
        let containerd = Containerd::start();
        let publisher = Publisher::new();
        let mut bundle = Layout::new();
        let mut layers = Vec::new();
        let layout = work.join("layout");
        let _ = fs::remove_dir_all(&layout);
        let mut documents = Layout::new();
        let mut targets = Vec::new();
        for (name, packing, numbers) in images {
            let mut descriptors = Vec::new();
            let mut diff_ids = Vec::new();
            for number in *numbers {
                let (packed, tar) = layer(work, *number, *packing);
                let of = |path: &Path| digest(&mut File::open(path).expect("it was just written"));
                let ending = if *packing == Packing::Gzip { "gzip" } else { "zstd" };
                let media_type = format!("application/vnd.oci.image.layer.v1.tar+{ending}");
                let digest = of(&packed);
                let blob = layout.join("blobs/sha256").join(digest.hex());
                fs::create_dir_all(blob.parent().expect("it has one")).expect("scratch folder");
                if !blob.exists() {
                    fs::hard_link(&packed, &blob).expect("scratch folder");
                }
                let size = fs::metadata(&packed).expect("it was just written").len();
                descriptors.push(Descriptor::new(&media_type, digest, size));
                diff_ids.push(of(&tar));
                layers.push(Layer { packed, tar, folder: PathBuf::new() });
            }
            let platform = linux_here();
            let config = json!({
                "architecture": platform.architecture, "os": platform.os, "config": {},
                "rootfs": { "type": "layers", "diff_ids": diff_ids },
            });
            let config =
                documents.add("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
            let manifest = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": descriptors });
            let target = documents.add(media_type::OCI_MANIFEST, manifest.to_string().into_bytes());
            documents.name(&target, &format!("registry.example.test/{name}:v1"));
            let signature = publisher.sign(&mut bundle, &target, Signature::Good(Key::P256, Format::Cose));
            bundle.list(signature);
            targets.push(target);
        }
        documents.write(&layout).expect("scratch folder");
        let of_node = containerd.path("signed");
        bundle.write(&of_node.join("bundle")).expect("scratch folder");
        archive::write_files(&of_node.join("trust"), &publisher.trust()).expect("scratch folder");
        let archive = containerd.path("images.tar");
        run(Command::new("tar").arg("-C").arg(&layout).arg("-cf").arg(&archive).args([
            "oci-layout",
            "index.json",
            "blobs",
        ]));
        let archive = archive.to_string_lossy().into_owned();
        let _ = containerd.ctr(["images", "import", "--no-unpack", &archive]).expect_code(0);
        fs::remove_file(archive).expect("scratch folder");
        for target in &targets {
            let _ = containerd.ctr(["snapshots", "unpack", target.digest.as_str()]).expect_code(0);
        }
        // The snapshots of an image are made in the order of its layers. Images share no snapshots.
        let snapshots = containerd.path("root/io.containerd.snapshotter.v1.overlayfs/snapshots");
        let mut numbers: Vec<u64> = fs::read_dir(&snapshots)
            .expect("snapshots")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers.len(), layers.len(), "a snapshot for each layer");
        for (layer, number) in layers.iter_mut().zip(numbers) {
            layer.folder = snapshots.join(number.to_string()).join("fs");
        }
        Self { containerd, work: of_node, layers }
    }

    fn verify(&self, agent: &Path, more: &[&str], jobs: usize) -> Command {
        let mut command = Command::new(agent);
        command.arg("verify").arg("--store").arg(self.containerd.root_store());
        command.arg("--trust").arg(self.work.join("trust")).arg("--signatures").arg(self.work.join("bundle"));
        command.args(["--content", "metadata", "--at", AT, "--jobs", &jobs.to_string()]).args(more);
        command
    }

    /// What finds no more than the agent does, and no attributes nor anything that is extra. It finds times, so that its exit code
    /// says nothing.
    fn compared_by_tar(&self) -> Command {
        let mut script = OsString::new();
        for layer in &self.layers {
            script.push("tar --compare --file '");
            script.push(&layer.packed);
            script.push("' -C '");
            script.push(&layer.folder);
            script.push("' 2>/dev/null; ");
        }
        script.push("true");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }
}

/// The CPU time of reading a layer in pieces, with the digests of the blob and of the tar: the least that ties files to a signature.
fn decompressed_and_hashed(packed: &Path) -> Duration {
    let begun = measure::own_cpu();
    let file = File::open(packed).expect("the layers are there");
    let mut blob = Hashing { inner: file, hasher: DigestAlgorithm::Sha256.hasher() };
    let mut head = Vec::new();
    io::Read::by_ref(&mut blob).take(4).read_to_end(&mut head).expect("the layers are there");
    let compression = Compression::detect(&head).expect("they are packed");
    std::hint::black_box(digest(&mut decompressed(io::Cursor::new(head).chain(&mut blob), compression)));
    std::hint::black_box(blob.hasher.finish());
    measure::own_cpu() - begun
}

struct Hashing<R> {
    inner: R,
    hasher: assay_verifier::oci::Hasher,
}

impl<R: io::Read> io::Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

fn digest(reader: &mut impl io::Read) -> Digest {
    let mut hasher = DigestAlgorithm::Sha256.hasher();
    let mut buffer = vec![0; PIECE];
    loop {
        match reader.read(&mut buffer).expect("the layers are there") {
            0 => return hasher.finish(),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// A layer, packed and as a tar, made unless an earlier run has.
fn layer(work: &Path, number: usize, packing: Packing) -> (PathBuf, PathBuf) {
    let (name, folders, part) = LAYERS[number];
    let all: u64 = std::env::var("BUDGET_LAYERS").map_or(1_400, |size| size.parse().expect("a number"));
    let tar = work.join(format!("{name}-{all}.tar"));
    if !tar.exists() {
        println!("packing {name}");
        let mut list = Vec::new();
        let mut left = (all << 20) * part / 100;
        for folder in folders {
            collect(Path::new(folder), &mut left, &mut list);
        }
        let files = work.join("files");
        fs::write(&files, list).expect("scratch folder");
        let partial = work.join("partial");
        run(Command::new("tar")
            .args(["-C", "/", "--no-recursion", "--ignore-failed-read", "--null", "--format=posix"])
            .args(["--xattrs", "--xattrs-include=security.capability", "-T"])
            .arg(files)
            .arg("-cf")
            .arg(&partial));
        fs::rename(partial, &tar).expect("scratch folder");
    }
    let (program, arguments, ending) = packing.command();
    let packed = work.join(format!("{name}-{all}.{ending}"));
    if !packed.exists() {
        println!("packing {name} with {program}");
        let partial = work.join("partial");
        let to = File::create(&partial).expect("scratch folder");
        run(Command::new(program)
            .args(arguments)
            .stdin(File::open(&tar).expect("it was just written"))
            .stdout(to));
        fs::rename(partial, &packed).expect("scratch folder");
    }
    (packed, tar)
}

/// The names of what is in a folder, for tar, as long as there is room for it.
fn collect(path: &Path, left: &mut u64, list: &mut Vec<u8>) {
    let absolute = Path::new("/").join(path);
    let Ok(metadata) = absolute.symlink_metadata() else { return };
    let Some(rest) = left.checked_sub(metadata.len() + 512) else { return };
    if metadata.nlink() > 1 && metadata.is_file() {
        return;
    }
    *left = rest;
    list.extend(path.as_os_str().as_bytes());
    list.push(0);
    if metadata.is_dir() {
        let mut names: Vec<OsString> =
            fs::read_dir(absolute).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names.iter().for_each(|name| collect(&path.join(name), left, list));
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{command:?}: {status}");
}
