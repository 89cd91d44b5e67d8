//! Reads from the kernel's lists of mounts which folders lie under the root of a container.
//!
//! Linux, Documentation/filesystems/proc.rst, section 3.5, `/proc/<pid>/mountinfo`. The kernel names folders as they were named when
//! they were mounted. Nothing is mounted, and no process is touched.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use assay_verifier::limits;

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The file system, and which folder of it.
    pub(super) place: (String, String),
    /// Where it is mounted.
    pub(super) point: String,
    /// What an overlay shows.
    pub(super) overlay: Option<Overlay>,
}

/// The folders that an overlay shows as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overlay {
    /// The folder that is written to.
    upper: Option<String>,
    /// The folders below, the uppermost first.
    lower: Vec<String>,
}

/// Whose mounts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    This,
    Other(u32),
}

/// Hands the mounts that a process sees to `take`.
///
/// # Errors
/// Why they cannot be read.
pub(super) fn each_mount(process: Process, take: impl FnMut(Line)) -> Result<(), String> {
    let path = match process {
        Process::This => "/proc/self/mountinfo".to_owned(),
        Process::Other(id) => format!("/proc/{id}/mountinfo"),
    };
    let file = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
    each_line(file, take).map_err(|error| format!("{path}: {error}"))
}

fn each_line(file: impl Read, mut take: impl FnMut(Line)) -> io::Result<()> {
    let mut left = limits::MOUNTS_BYTES;
    let mut file = BufReader::new(file.take(limits::MOUNTS_BYTES + 1));
    loop {
        let mut line = Vec::new();
        let read = file.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        left = left.checked_sub(read).ok_or_else(|| io::Error::other("it is implausibly large"))?;
        let line = String::from_utf8_lossy(&line);
        let line = Line::parse(line.trim_end_matches('\n'));
        take(line.ok_or_else(|| io::Error::other("a line of it is malformed"))?);
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let (device, root, point) = (mount.next()?, mount.next()?, mount.next()?);
        let mut file_system = file_system.splitn(3, ' ');
        let is_overlay = file_system.next()? == "overlay";
        let options = file_system.nth(1).unwrap_or_default();
        let overlay = is_overlay.then(|| {
            let mut overlay = Overlay::default();
            for option in options.split(',') {
                match option.split_once('=') {
                    Some(("upperdir", upper)) => overlay.upper = Some(unescaped(upper)),
                    Some(("lowerdir", lower)) => {
                        overlay.lower.extend(unescaped(lower).split(':').map(str::to_owned));
                    }
                    Some(("lowerdir+" | "datadir+", lower)) => overlay.lower.push(unescaped(lower)),
                    _ => {}
                }
            }
            overlay
        });
        Some(Self { place: (device.to_owned(), unescaped(root)), point: unescaped(point), overlay })
    }
}

/// A text in which the kernel wrote blanks, commas and backslashes as three octal digits.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let number = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match number {
            Some(number) => {
                bytes.push(number);
                bytes.extend(&part.as_bytes()[3..]);
            }
            None => {
                bytes.push(b'\\');
                bytes.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What this process sees of the mounts of one snapshotter.
#[derive(Debug)]
pub(super) struct Mounted {
    /// The snapshotter's folder as it is named here.
    names: Vec<String>,
    /// The file system that the folder's snapshots are in, and their place there.
    place: Option<(String, String)>,
    /// The overlays that write to its snapshots, by the name of the snapshot's folder.
    overlays: BTreeMap<String, Vec<Overlay>>,
}

impl Mounted {
    /// Looks for the mounts of the snapshotter in `folder`.
    ///
    /// # Errors
    /// Why they cannot be read, or what is mounted over one of its snapshots.
    pub(super) fn find(folder: &Path) -> Result<Self, String> {
        // what is not there has no mounts
        let canonical = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let canonical = canonical.to_string_lossy().trim_end_matches('/').to_owned();
        let given = folder.to_string_lossy().trim_end_matches('/').to_owned();
        let mut mounted =
            Self { names: vec![given, canonical.clone()], place: None, overlays: BTreeMap::new() };
        let snapshots = format!("{canonical}/snapshots");
        let (mut over, mut longest) = (None, 0);
        each_mount(Process::This, |line| {
            if within(&line.point, &snapshots).is_some_and(|rest| !rest.is_empty()) {
                over.get_or_insert_with(|| line.point.clone());
            }
            if let Some(rest) = within(&snapshots, &line.point)
                && line.point.len() >= longest
            {
                longest = line.point.len();
                let (device, root) = &line.place;
                mounted.place = Some((device.clone(), format!("{}{rest}", root.trim_end_matches('/'))));
            }
            if let Some(overlay) = line.overlay
                && let Some(id) = mounted.written_by(&overlay)
            {
                mounted.overlays.entry(id).or_default().push(overlay);
            }
        })?;
        match over {
            Some(point) => {
                Err(format!("something is mounted over {point}, so that what is below it is not seen"))
            }
            None => Ok(mounted),
        }
    }

    /// The overlays that this process sees, and that write to that snapshot.
    pub(super) fn overlays(&self, id: &str) -> &[Overlay] {
        self.overlays.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The snapshot that an overlay writes to.
    pub(super) fn written_by(&self, overlay: &Overlay) -> Option<String> {
        let upper = overlay.upper.as_ref()?;
        let rest = self.names.iter().find_map(|name| upper.strip_prefix(&**name))?;
        let id = rest.strip_prefix("/snapshots/")?.strip_suffix("/fs")?;
        (!id.contains('/')).then(|| id.to_owned())
    }

    /// Whether an overlay shows these snapshots below, the uppermost first.
    pub(super) fn shows(&self, overlay: &Overlay, below: &[String]) -> bool {
        let is = |name: &str, id: &String| {
            let folder = self
                .names
                .iter()
                .find_map(|folder| name.strip_prefix(&**folder)?.strip_prefix("/snapshots/"));
            // containerd leaves out what long lists of folders have in common, and puts another folder in its place to shift owners
            let shifted = || Some(name.split_once(SHIFTED)?.1.split_once('/')?.1);
            folder.or_else(shifted).unwrap_or(name).strip_suffix("/fs") == Some(id)
        };
        overlay.lower.len() == below.len() && overlay.lower.iter().zip(below).all(|(name, id)| is(name, id))
    }

    /// Whether a mount is that folder of the snapshots, by itself.
    pub(super) fn is_folder(&self, line: &Line, folder: &str) -> bool {
        let place = self.place.as_ref().map(|(device, root)| (device.clone(), format!("{root}/{folder}")));
        line.overlay.is_none() && place.as_ref() == Some(&line.place)
    }
}

impl Overlay {
    /// Whether containerd has the owners shifted in some folder below, so that its name may not tell which it is.
    pub(super) fn is_shifted(&self) -> bool {
        self.lower.iter().any(|name| name.contains(SHIFTED))
    }

    /// The folders below, for people.
    pub(super) fn lower(&self) -> String {
        self.lower.join(":")
    }
}

/// What the folders begin with in which containerd shifts owners, for as long as it takes to mount them (`core/mount/mount_linux.go`).
const SHIFTED: &str = "/ovl-idmapped";

/// What follows `folder` in a path within it; empty for the folder itself.
pub(super) fn within<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted() -> Mounted {
        Mounted {
            names: vec!["/var/lib/x/over,lay".into(), "/data/x".into()],
            place: Some(("8:1".into(), "/lib/native/snapshots".into())),
            overlays: BTreeMap::new(),
        }
    }

    fn overlay(options: &str) -> Overlay {
        let line =
            format!("36 35 0:30 / / rw,relatime shared:1 master:2 - overlay overlay rw,{options},workdir=/w");
        Line::parse(&line).unwrap().overlay.unwrap()
    }

    #[test]
    fn overlays_are_read_in_each_form() {
        let below = ["3".to_owned(), "2".to_owned()];
        for (options, writes, shows) in [
            (
                "lowerdir=/data/x/snapshots/3/fs:/data/x/snapshots/2/fs,upperdir=/data/x/snapshots/9/fs",
                true,
                true,
            ),
            ("lowerdir=3/fs:2/fs,upperdir=/var/lib/x/over\\054lay/snapshots/9/fs", true, true),
            (
                "upperdir=/data/x/snapshots/9/fs,lowerdir+=/data/x/snapshots/3/fs,lowerdir+=/data/x/snapshots/2/fs",
                true,
                true,
            ),
            ("lowerdir=2/fs:3/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=3/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=3/fs:2/fs:1/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=3/fs::2/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=3/fs:2/fs,datadir+=2/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=/evil/3/fs:2/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=/evil/data/x/snapshots/3/fs:2/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=/data/x/snapshots/3/../4/fs:2/fs,upperdir=/data/x/snapshots/9/fs", true, false),
            ("lowerdir=3/fs:2/fs,upperdir=/data/x/snapshots/9", false, true),
            ("lowerdir=3/fs:2/fs,upperdir=/data/x2/snapshots/9/fs", false, true),
            ("lowerdir=3/fs:2/fs", false, true),
            (
                "lowerdir=/tmp/ovl-idmapped12/3/fs:/tmp/ovl-idmapped12/2/fs,upperdir=/data/x/snapshots/9/fs",
                true,
                true,
            ),
            (
                "lowerdir=/tmp/ovl-idmapped12/0:/tmp/ovl-idmapped12/1,upperdir=/data/x/snapshots/9/fs",
                true,
                false,
            ),
        ] {
            let overlay = overlay(options);
            assert_eq!(mounted().written_by(&overlay).as_deref(), writes.then_some("9"), "{options}");
            assert_eq!(mounted().shows(&overlay, &below), shows, "{options}");
        }
    }

    #[test]
    fn folders_that_are_mounted_by_themselves_are_told() {
        let line = |text: &str| Line::parse(text).unwrap();
        let of = |root: &str| line(&format!("1 2 8:1 {root} / rw - ext4 /dev/vda rw"));
        assert!(mounted().is_folder(&of("/lib/native/snapshots/5"), "5"));
        for other in
            ["/lib/native/snapshots/6", "/x/lib/native/snapshots/5", "/lib/native/snapshots/5/a", "/"]
        {
            assert!(!mounted().is_folder(&of(other), "5"), "{other}");
        }
        let disk = line("1 2 8:2 /lib/native/snapshots/5 / rw - ext4 /dev/vdb rw");
        assert!(!mounted().is_folder(&disk, "5"));
        assert_eq!(line("1 2 8:1 / /a\\040b\\134 rw - ext4 /dev/vda rw").point, "/a b\\");
        for malformed in ["", "1 2 8:1 / /a rw ext4", "1 2 - ext4 x rw"] {
            assert_eq!(Line::parse(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn lists_of_mounts_are_bounded() {
        let line = |bytes: usize| {
            let text = "1 2 8:1 / / rw - ext4 /dev/vda ";
            format!("{text}{}\n", "x".repeat(bytes - text.len() - 1)).into_bytes()
        };
        let most = usize::try_from(limits::MOUNTS_BYTES).unwrap();
        let mut count = 0;
        each_line(&line(most / 2).repeat(2)[..], |_| count += 1).unwrap();
        assert_eq!(count, 2);
        assert!(each_line(&[line(most), line(40)].concat()[..], |_| ()).is_err());
        assert!(each_line(&line(most + 1)[..], |_| ()).is_err());
    }

    #[test]
    fn the_place_of_a_folder_is_found() {
        assert_eq!(
            ["/a", "/a/b", "/ab", "/"].map(|path| within(path, "/a")),
            [Some(""), Some("/b"), None, None]
        );
        assert_eq!(within("/a/b", "/"), Some("/a/b"));
        let folder = tempfile::tempdir().unwrap();
        let found = Mounted::find(folder.path()).unwrap();
        let name = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(found.place.unwrap().1.ends_with(&format!("/{name}/snapshots")));
    }
}
