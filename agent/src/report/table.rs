//! Writes an inventory for people: a row for each image, with its other names and its containers below, within the width of a
//! terminal.

use assay_report::words::count;
use assay_report::{ContainerUse, Inventory, InventoryImage, Namespace, Unlisted};
use assay_verifier::oci::{Digest, Reference};

/// How many containers of an image are named. The others are counted.
const USERS: usize = 3;

/// Characters of a digest that people compare.
const SHORT: usize = 12;

/// The table. No line is longer than `width` characters, unless a name cannot be broken that far.
pub(crate) fn write(inventory: &Inventory, width: usize) -> String {
    let columns = Columns::new(&inventory.images, width);
    let mut text = String::new();
    let mut namespace: Option<&Option<Namespace>> = None;
    let mut images: Vec<&InventoryImage> = inventory.images.iter().collect();
    images.sort_by_key(|image| (&image.namespace, names(image)));
    for image in images {
        if namespace != Some(&image.namespace) {
            if namespace.is_some() {
                text.push('\n');
            }
            namespace = Some(&image.namespace);
            let heading = match &image.namespace {
                None => "IMAGE",
                Some(namespace) => &crate::console::clean(namespace.as_str()),
            };
            columns.row(&mut text, heading, ["DIGEST", "PLATFORM", "SIZE", "USED BY"]);
        }
        rows(&mut text, image, &columns);
    }
    if !inventory.coverage.unlisted.is_empty() {
        text.push_str("\nWITHOUT AN IMAGE RECORD\n");
        for unlisted in &inventory.coverage.unlisted {
            text.push_str(&describe_unlisted(unlisted));
        }
    }
    text.push_str(&totals(inventory));
    match inventory.coverage.companions.len() {
        0 => {}
        many => text.push_str(&format!(
            "{}, not listed here: signatures, attestations or SBOMs; --format json names each\n",
            count(many, "companion")
        )),
    }
    text
}

fn rows(text: &mut String, image: &InventoryImage, columns: &Columns) {
    let names = names(image);
    let mut names = names.iter();
    let used = match image.in_use.len() {
        0 => "-".to_owned(),
        count => count.to_string(),
    };
    let values = [&short(&image.digest), &platforms(&image.platforms), &size(image.content_size), &used];
    columns.row(text, names.next().map_or("-", String::as_str), values.map(String::as_str));
    for name in names {
        columns.row(text, name, [""; 4]);
    }
    for user in image.in_use.iter().take(USERS) {
        text.push_str(&format!("    {}\n", crate::console::clean(&describe_user(user))));
    }
    match image.in_use.len().saturating_sub(USERS) {
        0 => {}
        more => text.push_str(&format!("    and {more} more\n")),
    }
}

/// The names that people know an image by: its tags, and the repositories in which it has no tag. The digest has its own column, and
/// ids are for Kubernetes. An image without another name is known by its digest.
fn names(image: &InventoryImage) -> Vec<String> {
    let references = &image.references;
    if references.as_slice() == [image.digest.as_str()] {
        return vec![short_reference(image.digest.as_str(), "")];
    }
    let parsed = |name: &String| name.parse::<Reference>().ok();
    let tagged: Vec<Reference> =
        references.iter().filter_map(parsed).filter(|one| one.tag.is_some()).collect();
    let is_shown = |name: &&String| match parsed(name) {
        Some(Reference { repository, tag: None, .. }) => {
            !tagged.iter().any(|one| one.repository == repository)
        }
        _ => name.parse::<Digest>().is_err(),
    };
    let compact = |name: &String| match name.split_once('@') {
        Some((repository, digest)) => short_reference(digest, &format!("{repository}@")),
        None => name.clone(),
    };
    references.iter().filter(is_shown).map(compact).map(|name| crate::console::clean(&name)).collect()
}

/// The beginning of a digest, after the repository that it belongs to.
fn short_reference(digest: &str, what: &str) -> String {
    format!("{what}{}…", digest.chars().take("sha256:".len() + SHORT).collect::<String>())
}

fn describe_user(user: &ContainerUse) -> String {
    let ContainerUse { pod, pod_namespace, container, id, .. } = user;
    match (pod, container) {
        (Some(pod), container) => {
            let namespace =
                pod_namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
            let container = container.as_deref().unwrap_or("(sandbox)");
            format!("{namespace}{pod}  {container}")
        }
        (None, _) => format!("container {id}"),
    }
}

fn describe_unlisted(unlisted: &Unlisted) -> String {
    let name = unlisted.name.as_deref().unwrap_or("-");
    let id = unlisted.id.parse().map_or_else(|_| unlisted.id.clone(), |digest| short(&digest));
    crate::console::clean(&format!(
        "{}  {}  {id}  {name}",
        Namespace::text(unlisted.namespace.as_ref()),
        unlisted.kind
    ))
    .trim_start()
    .to_owned()
        + "\n"
}

fn totals(inventory: &Inventory) -> String {
    let used = inventory.images.iter().filter(|image| !image.in_use.is_empty()).count();
    let users: usize = inventory.images.iter().map(|image| image.in_use.len()).sum();
    let images = count(inventory.images.len(), "image");
    format!("\n{images}, {used} in use by {}; nothing of this was verified\n", count(users, "container"))
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(SHORT).collect()
}

fn platforms(platforms: &[String]) -> String {
    match platforms {
        [] => "-".to_owned(),
        [one] => crate::console::clean(one),
        [first, rest @ ..] => format!("{} +{}", crate::console::clean(first), rest.len()),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

/// How wide the columns are.
struct Columns {
    name: usize,
    platform: usize,
}

impl Columns {
    const DIGEST: usize = SHORT;
    const SIZE: usize = "999.9 MB".len();
    const USED: usize = "USED BY".len();
    /// The name column is never narrower than this.
    const NARROWEST: usize = 24;

    fn new(images: &[InventoryImage], width: usize) -> Self {
        let widest = |texts: &mut dyn Iterator<Item = String>| texts.map(|text| text.chars().count()).max();
        let platform = widest(&mut images.iter().map(|image| platforms(&image.platforms)));
        let platform = platform.unwrap_or(0).max("PLATFORM".len());
        let name = widest(&mut images.iter().flat_map(names)).unwrap_or(0);
        let rest = Self::DIGEST + platform + Self::SIZE + Self::USED + 4 * "  ".len();
        Self { name: name.min(width.saturating_sub(rest)).max(Self::NARROWEST), platform }
    }

    /// A row; a name that is too long goes on below.
    fn row(&self, text: &mut String, name: &str, [digest, platform, size, used]: [&str; 4]) {
        let mut rest = name;
        let mut indent = "";
        let mut values = format!(
            "  {digest:digests$}  {platform:platforms$}  {size:>sizes$}  {used:>useds$}",
            digests = Self::DIGEST,
            platforms = self.platform,
            sizes = Self::SIZE,
            useds = Self::USED,
        );
        loop {
            let (piece, more) = broken(rest, self.name - indent.len());
            let line = format!("{:name$}{values}", format!("{indent}{piece}"), name = self.name);
            text.push_str(line.trim_end());
            text.push('\n');
            if more.is_empty() {
                return;
            }
            (rest, indent) = (more, "  ");
            values.clear();
        }
    }
}

/// As much of a name as fits, up to the end of one of its parts, and the rest.
fn broken(name: &str, width: usize) -> (&str, &str) {
    let Some((end, _)) = name.char_indices().nth(width) else { return (name, "") };
    let end = name[..end].rfind(['/', ':', '@']).map_or(end, |part| part + 1);
    name.split_at(end)
}

#[cfg(test)]
mod tests {
    use assay_report::{Coverage, INVENTORY_SCHEMA, Node, Omitted};

    use super::*;

    fn image(references: &[&str], in_use: usize) -> InventoryImage {
        let user = |number: usize| ContainerUse {
            pod: Some(format!("pod-{number}")),
            pod_namespace: Some("kube-system".into()),
            container: (number > 0).then(|| "proxy".into()),
            id: number.to_string(),
            ..ContainerUse::default()
        };
        InventoryImage {
            namespace: Namespace::new("k8s.io"),
            references: references.iter().map(|&name| name.to_owned()).collect(),
            digest: Digest::sha256(b""),
            media_type: String::new(),
            size: 7,
            platforms: vec!["linux/amd64".into(), "windows/amd64 10.0.20348.2700".into()],
            content_size: 83_250_000,
            in_use: (0..in_use).map(user).collect(),
            omitted: Omitted::default(),
        }
    }

    fn table(images: Vec<InventoryImage>, width: usize) -> String {
        let node = Node {
            hostname: None,
            machine_id: None,
            os: String::new(),
            architecture: String::new(),
            containerd: None,
        };
        let (schema, store) = (INVENTORY_SCHEMA.to_owned(), String::new());
        write(&Inventory { schema, node, store, coverage: Coverage::default(), images }, width)
    }

    #[test]
    fn names_users_and_columns() {
        let digest = Digest::sha256(b"");
        let own = format!("r.example/app@{digest}");
        let mirror = format!("mirror.example/app@{digest}");
        let images = vec![image(&[&mirror, "r.example/app:v1", &own, digest.as_str()], 5), image(&[], 0)];
        let expected = [
            "k8s.io                                   DIGEST        PLATFORM            SIZE  USED BY",
            "-                                        e3b0c44298fc  linux/amd64 +1   83.2 MB        -",
            "mirror.example/app@sha256:e3b0c44298fc…  e3b0c44298fc  linux/amd64 +1   83.2 MB        5",
            "r.example/app:v1",
            "    kube-system/pod-0  (sandbox)",
            "    kube-system/pod-1  proxy",
            "    kube-system/pod-2  proxy",
            "    and 2 more",
            "",
            "2 images, 1 in use by 5 containers; nothing of this was verified",
        ];
        assert_eq!(table(images, 120).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn long_names_are_broken_and_nothing_is_lost() {
        let long =
            "registry.example.test:5000/a/very/long/path/of/repositories/that/no/terminal/holds:v1.27.3-rc.1";
        for width in [80, 100, 120] {
            let found = table(vec![image(&[long], 1)], width);
            assert!(found.lines().all(|line| line.chars().count() <= width), "{width}:\n{found}");
            let name: String = found
                .lines()
                .skip(1)
                .map(|line| line.trim_start().split(' ').next().unwrap_or_default())
                .collect();
            assert!(name.starts_with(long), "{found}");
        }
    }

    #[test]
    fn what_a_terminal_takes_for_a_command_is_text() {
        let found = table(vec![image(&["r.example/app:\u{1b}[2Jv1"], 0)], 80);
        assert!(!found.contains('\u{1b}'));
    }
}
