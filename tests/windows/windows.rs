//! Runs the programs for Windows under wine: what they read and write there, beside what the programs for Linux make of
//! the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::{Image, linux_here, windows};
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::demo_site::DemoSite;
use assay_tests::packages;
use assay_tests::program::{Finished, finish, verdict};
use assay_tests::published::{self, AT, GOOD, Published};
use assay_tests::wine::{self, Pipe};
use assay_verifier::oci::Descriptor;
use serde_json::Value;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// The builds of Windows that images are made for.
const BUILDS: [&str; 3] = ["10.0.17763.6532", "10.0.20348.2700", "10.0.26100.2033"];

/// Runs the agent for Windows on `store`.
fn verify(store: &str, trust: &Path, bundle: &Path, at: &str, more: &[&str]) -> Finished {
    let mut command = wine::command(&wine::agent());
    command.args(["verify", "--store", store, "--trust", &wine::path(trust)]);
    command.args(["--signatures", &wine::path(bundle), "--at", at]).args(more);
    finish(&mut command)
}

/// The same for what was published.
fn verify_published(published: &Published, store: &str, more: &[&str]) -> Finished {
    verify(store, &published.path("trust"), &published.path("bundle"), AT, more)
}

/// A report but for what is different on another machine: which agent ran where, and the name of the store.
fn comparable(finished: &Finished) -> Value {
    let report = finished.report();
    assert!(!finished.stdout.contains(&b'\r'), "a report has no carriage returns");
    let mut value = serde_json::to_value(report).unwrap();
    for member in ["agent", "node"] {
        value[member] = Value::Null;
    }
    value["inputs"]["store"] = Value::Null;
    paths_of_linux(&mut value);
    value
}

/// Paths on drive Z as Linux has them: each signature names the bundle that it is from.
fn paths_of_linux(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(r"Z:\") => *text = text.replace("Z:", "").replace('\\', "/"),
        Value::Array(values) => values.iter_mut().for_each(paths_of_linux),
        Value::Object(members) => members.values_mut().for_each(paths_of_linux),
        _ => {}
    }
}

#[test]
fn layouts_give_the_same_report_as_on_linux() {
    let site = DemoSite::unpack();
    let (trust, bundle) = (site.path("trust"), site.path("bundle"));
    let mut seen = 0;
    for node in site.expected().keys() {
        let layout = site.path("nodes").join(node).join("store");
        let here = published::verify(
            Path::new(AGENT),
            &format!("layout:{}", layout.display()),
            &trust,
            &bundle,
            &["--at", &site.at()],
        );
        let there = verify(&format!("layout:{}", wine::path(&layout)), &trust, &bundle, &site.at(), &[]);
        assert_eq!(there.code, here.code, "{}", there.stderr);
        assert_eq!(comparable(&there), comparable(&here), "{node}");
        let node = there.report().node;
        assert_eq!((node.os.as_str(), node.architecture.as_str()), ("windows", "amd64"));
        assert!(node.hostname.is_some());
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn exit_codes_say_how_it_went() {
    let mut published = Published::new(AGENT);
    published.image("team/good", &[GOOD]);
    published.image("team/unsigned", &[]);
    published.write();
    published.images.write(&published.path("layout")).unwrap();
    let store = format!("layout:{}", wine::path(&published.path("layout")));
    let _ =
        verify_published(&published, &store, &["--image", &published::reference("team/good")]).expect_code(0);
    let _ = verify_published(&published, &store, &[]).expect_code(1);
    let _ = wine::run(&wine::agent(), ["verify"]).expect_code(2);
    let _ = wine::run(&wine::agent(), ["verify", "--store", &store, "--trust", r"Z:\absent"]).expect_code(2);
    let store = r"containerd:\\.\pipe\assay-absent";
    let report = verify_published(&published, store, &[]).expect_code(3).report();
    assert_eq!(report.coverage.unreadable[0].what, store);
}

/// More than the 260 characters that Windows' older calls take, with blanks and letters that are not ASCII.
#[test]
fn long_and_unusual_paths_are_as_good_as_any() {
    let mut published = Published::new(AGENT);
    published.image("team/good", &[GOOD]);
    published.write();
    let long = published.path(&"a folder with blanks, Größe und ümläute/".repeat(9));
    assert!(long.as_os_str().len() > 300);
    published.images.write(&long.join("layout")).unwrap();
    let copied = |name: &str| {
        let _ = finish(Command::new("cp").arg("-r").arg(published.path(name)).arg(long.join(name)))
            .expect_code(0);
        long.join(name)
    };
    let (trust, bundle) = (copied("trust"), copied("bundle"));
    let output = long.join("the report.json");
    let backslashes = format!("layout:{}", wine::path(&long.join("layout")));
    let slashes = backslashes.replace('\\', "/");
    let mut reports = Vec::new();
    for store in [&backslashes, &slashes] {
        let finished = verify(store, &trust, &bundle, AT, &["--output", &wine::path(&output)]).expect_code(0);
        assert_eq!(finished.stdout, b"");
        reports.push(fs::read(&output).unwrap());
        let printed = verify(store, &trust, &bundle, AT, &[]).expect_code(0);
        assert_eq!(
            printed.stdout,
            fs::read(&output).unwrap(),
            "the same bytes to standard output and to a file"
        );
    }
    let of = |store: &str| format!("\"store\":{}", Value::from(store));
    let [first, second] = [0, 1].map(|index| String::from_utf8(reports[index].clone()).unwrap());
    assert!(first.contains(&of(&backslashes)), "a path is reported as it was given");
    assert_eq!(first.replace(&of(&backslashes), &of(&slashes)), second);
    let store = format!("layout:{}", long.join("layout").display());
    let here = published::verify(Path::new(AGENT), &store, &trust, &bundle, &["--at", AT]).expect_code(0);
    let there = Finished { code: Some(0), stdout: reports.remove(0), stderr: String::new() };
    assert_eq!(comparable(&there), comparable(&here));
    // No temporary file is left beside the report.
    assert_eq!(fs::read_dir(&long).unwrap().count(), 4);
}

#[test]
fn text_may_have_the_line_ends_of_windows() {
    let mut published = Published::new(AGENT);
    published.image("team/good", &[GOOD]);
    published.write();
    published.images.write(&published.path("layout")).unwrap();
    let store = format!("layout:{}", wine::path(&published.path("layout")));
    let policy = published.path("trust/trustpolicy.json");
    let as_it_was = fs::read_to_string(&policy).unwrap();
    let mut files = 0;
    for file in files_below(&published.path("trust")) {
        if let Ok(text) = fs::read_to_string(&file) {
            fs::write(file, text.replace('\n', "\r\n")).unwrap();
            files += 1;
        }
    }
    assert!(files > 1, "{files} text files in the trust directory");
    let _ = verify_published(&published, &store, &[]).expect_code(0);
    // what PowerShell's > writes is not JSON, for notation either
    let wide: Vec<u8> =
        [0xfeff].into_iter().chain(as_it_was.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    fs::write(&policy, wide).unwrap();
    let report = verify_published(&published, &store, &[]).expect_code(1).report();
    assert_eq!(verdict(&report.images[0]), "failed/policy");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// What the agent asks of the system: what every Windows has, a console if there is one, and no other program.
#[test]
fn the_agent_needs_nothing_but_windows() {
    let objdump = packages::program("x86_64-w64-mingw32-objdump", "binutils-mingw-w64-x86-64");
    let headers = finish(Command::new(objdump).arg("-p").arg(wine::agent())).expect_code(0);
    let text = headers.text();
    let imports: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("DLL Name: "))
        .map(str::to_lowercase)
        .filter(|name| !name.starts_with("api-ms-win-"))
        .collect();
    let system =
        ["advapi32.dll", "bcryptprimitives.dll", "kernel32.dll", "msvcrt.dll", "ntdll.dll", "ws2_32.dll"];
    assert!(imports.len() > 2, "{imports:?}");
    for import in &imports {
        assert!(system.contains(&import.as_str()), "{import} is not on every Windows");
    }
    let subsystem = text.lines().find(|line| line.starts_with("Subsystem")).unwrap();
    assert!(subsystem.contains("00000003"), "a program of the console: {subsystem}");
    assert!(!text.contains("CreateProcess"), "it starts no programs");
}

/// Images as Windows nodes have them: one for each build, upon layers that are not theirs to distribute.
fn publish_windows(published: &mut Published) -> (Descriptor, Vec<Descriptor>) {
    let image = |build: &str| Image::of_text(windows(build), "app", build).on_base(build);
    let builds = BUILDS.map(|build| image(build).add_to(&mut published.images));
    let index = published.images.add_index(false, &builds);
    published.publish("team/builds", &index, &[GOOD]);
    let list = BUILDS.map(|build| image(build).docker().add_to(&mut published.images));
    let list = published.images.add_index(true, &list);
    published.publish("team/list", &list, &[GOOD]);
    let both = [linux_here(), windows(BUILDS[1])];
    let both = both.map(|platform| Image::of_text(platform, "app", "both").add_to(&mut published.images));
    let both = published.images.add_index(false, &both);
    published.publish("team/both", &both, &[GOOD]);
    let alone = image(BUILDS[1]).docker().add_to(&mut published.images);
    published.publish("team/unsigned", &alone, &[]);
    let tampered = Image::of_text(windows(BUILDS[1]), "app", "tampered").add_to(&mut published.images);
    published.publish("team/tampered", &tampered, &[Signature::Tampered]);
    published.write();
    (index, builds.to_vec())
}

#[test]
fn a_root_of_windows_is_read_as_on_linux() {
    for release in [Release::Debian, Release::Two] {
        if release.is_there() {
            root_of(release);
        }
    }
}

fn root_of(release: Release) {
    let mut containerd = Containerd::of(release);
    let mut published = Published::new(AGENT);
    let (index, builds) = publish_windows(&mut published);
    containerd.import(KUBERNETES, &published.images);
    // A node pulls only the manifest of its own build.
    for other in [&builds[0], &builds[2]] {
        let _ = containerd.ctr(["content", "delete", other.digest.as_str()]).expect_code(0);
    }
    containerd.stop();
    let root = containerd.path("root");
    let snapshots = root.join("io.containerd.snapshotter.v1.windows/snapshots/1");
    fs::create_dir_all(&snapshots).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    for name in ["layerchain.json", "sandbox.vhdx"] {
        fs::write(snapshots.join(name), "what a container's disk is").unwrap();
    }
    // On drive C, where a node has it, and on a share.
    let at_home = wine::drive_c().join("ProgramData/containerd/root");
    let _ = fs::remove_dir_all(&at_home);
    fs::create_dir_all(at_home.parent().unwrap()).unwrap();
    let _ = finish(Command::new("cp").arg("-r").arg(&root).arg(&at_home)).expect_code(0);
    let mut untouched = Vec::new();
    for root in [&root, &at_home] {
        let snapshotter = root.join("io.containerd.snapshotter.v1.windows");
        // opening a pipe without a writer waits for ever
        let _ = finish(Command::new("mkfifo").arg(snapshotter.join("metadata.db"))).expect_code(0);
        for file in files_below(&snapshotter.join("snapshots")) {
            let times = fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago);
            fs::File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
            untouched.push(file);
        }
    }
    assert_eq!(untouched.len(), 4);

    let here = published.verify(&containerd.root_store(), &[]).expect_code(1);
    let stores = [format!("root:{}", wine::path(&root)), r"root:C:\ProgramData\containerd\root".to_owned()];
    for store in &stores {
        let there = verify_published(&published, store, &[]).expect_code(1);
        assert_eq!(comparable(&there), comparable(&here), "{store}");
        assert_eq!(there.report().inputs.store, *store);
    }
    let report = here.report();
    let found = report.images.iter().find(|image| image.digest == index.digest).unwrap();
    assert_eq!(
        (verdict(found).as_str(), &found.platforms[..]),
        ("passed", &["windows/amd64".to_owned()][..])
    );
    // two manifests, and the layer that is not distributed
    assert_eq!((found.content.absent, found.content.mismatched.len()), (3, 0));
    let accessed = |file: &PathBuf| file.metadata().unwrap().accessed().unwrap();
    for file in &untouched {
        assert_eq!(accessed(file), long_ago, "{}", file.display());
    }
    fs::read(&untouched[0]).unwrap();
    if accessed(&untouched[0]) == long_ago {
        packages::not_run("whether the snapshotter's files were read: the disk keeps no times of access");
    }
    fs::remove_dir_all(&at_home).unwrap();
    // There must be a manifest for the node's own system.
    let root = containerd.blob(&builds[1].digest);
    fs::remove_file(root).unwrap();
    let there = verify_published(&published, &stores[0], &[]).expect_code(1).report();
    let found = there.images.iter().find(|image| image.digest == index.digest).unwrap();
    assert_eq!(verdict(found), "inconclusive/unreadable");
}

#[test]
fn a_daemon_is_reached_through_its_pipe() {
    for release in [Release::Debian, Release::Two] {
        if release.is_there() {
            pipe_to(release);
        }
    }
}

fn pipe_to(release: Release) {
    // First beside the daemon's files, as on a node, then where they cannot be seen.
    for (containerd, seen) in
        [(Containerd::of(release), true), (Containerd::unseen_by_windows(release), false)]
    {
        let mut published = Published::new(AGENT);
        publish_windows(&mut published);
        containerd.import(KUBERNETES, &published.images);
        containerd.import("default", &published.images);
        let here = published.verify(&containerd.store(), &[]).expect_code(1);
        let name = if seen { "containerd-containerd" } else { "assay-unseen" };
        let pipe = Pipe::listen(name, &containerd.socket());
        let store = if seen { "containerd".to_owned() } else { format!("containerd:{}", pipe.address()) };
        let there = verify_published(&published, &store, &[]).expect_code(1);
        assert_eq!(there.report().inputs.store, format!("containerd:{}", pipe.address()));
        assert_eq!(there.report().node.containerd, here.report().node.containerd);
        let mut expected = comparable(&here);
        if !seen {
            let checked = expected["coverage"]["cross_check"]["checked"].as_array_mut().unwrap();
            let all = checked.len();
            checked.retain(|check| !check.as_str().unwrap().starts_with("content-"));
            assert_eq!(checked.len() + 2, all, "files are held against records where there are files");
        }
        assert_eq!(comparable(&there), expected);

        let inventory = ["inventory", "--store", &store, "--format", "json"];
        let listed = wine::run(&wine::agent(), inventory).expect_code(0);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed["images"].as_array().unwrap().len(), here.report().images.len());
    }
}

#[test]
fn a_pipe_that_is_busy_is_waited_for() {
    let containerd = Containerd::start();
    let mut published = Published::new(AGENT);
    published.image("team/good", &[GOOD]);
    published.write();
    containerd.import(KUBERNETES, &published.images);
    let mut pipe = Pipe::held("assay-busy", &containerd.socket());
    let store = format!("containerd:{}", pipe.address());
    let agent = std::thread::scope(|scope| {
        let agent = scope.spawn(|| verify_published(&published, &store, &[]));
        // Nothing outside the agent shows that it has met the busy pipe. It gets the time to, and waits all the while.
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!agent.is_finished(), "it gave up");
        pipe.free();
        agent.join().unwrap()
    });
    assert_eq!(agent.expect_code(0).report().summary.passed, 1);
}

/// The collector's main job, with the agent beside it: the exit code is 0 where every verdict is the expected one.
#[test]
fn the_demo_runs() {
    let folder = tempfile::tempdir().unwrap();
    for program in [wine::collector(), wine::agent()] {
        fs::copy(&program, folder.path().join(program.file_name().unwrap())).unwrap();
    }
    let mut demo = wine::command(&folder.path().join("assay.exe"));
    let _ = finish(demo.args(["demo", "--out", "the report"]).current_dir(folder.path())).expect_code(0);
    let report = fs::read(folder.path().join("the report/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    for node in nodes {
        assert_eq!(node["clean_up"]["result"], "removed");
        let place = node["clean_up"]["folder"].as_str().unwrap().rsplit('\\').next().unwrap();
        assert!(place.starts_with("assay-"));
        let left = finish(Command::new("find").arg(wine::drive_c()).args(["-name", place])).expect_code(0);
        assert_eq!(left.text(), "", "nothing is left");
    }
}
