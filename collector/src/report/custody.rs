//! Puts chains of custody into words.

use assay_report::{ContainerUse, Custody, CustodyLink, CustodyStep, Image, LinkState};

use crate::clean;

/// A link in one word or a few.
pub(super) fn step(step: CustodyStep) -> &'static str {
    match step {
        CustodyStep::Container => "container",
        CustodyStep::Snapshot => "snapshot",
        CustodyStep::Layers => "layers",
        CustodyStep::Manifest => "manifest",
        CustodyStep::Index => "index",
        CustodyStep::Signature => "signature",
        CustodyStep::Root => "root certificate",
    }
}

/// The state of a link.
pub(super) fn state(state: LinkState) -> &'static str {
    match state {
        LinkState::Proven => "proven",
        LinkState::Unproven => "not proven",
        LinkState::Broken => "broken",
    }
}

/// Where a chain is broken, such as `broken at the snapshot`.
pub(super) fn summary(custody: &Custody) -> String {
    match custody.first_broken() {
        None => "every link is proven".to_owned(),
        Some(link) => format!("{} at the {}", state(link.state), step(link.step)),
    }
}

/// The containers of an image whose chain is known: those that are broken first, then those that are not proven.
pub(super) fn worst_first(image: &Image) -> Vec<(&ContainerUse, &Custody)> {
    let containers = image.in_use.iter();
    let mut chains: Vec<_> =
        containers.filter_map(|container| Some((container, container.custody.as_ref()?))).collect();
    chains.sort_by_key(|(_, custody)| std::cmp::Reverse(custody.first_broken().map(|link| link.state)));
    chains
}

/// The first broken link of every container of an image, a line for each. Containers that are broken alike share one.
pub(super) fn broken(image: &Image) -> Vec<String> {
    let mut lines: Vec<(&CustodyLink, &ContainerUse, usize)> = Vec::new();
    for (container, custody) in worst_first(image) {
        let Some(link) = custody.first_broken() else { continue };
        let alike = lines.iter().position(|(other, ..)| {
            (other.step, other.state, &other.evidence) == (link.step, link.state, &link.evidence)
        });
        match alike {
            Some(at) => lines[at].2 += 1,
            None if lines.len() < LINES => lines.push((link, container, 0)),
            None => {}
        }
    }
    let line = |(link, container, more): (&CustodyLink, &ContainerUse, usize)| {
        let others = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(
            "custody of {}{others}: {} at the {}: {}",
            name(container),
            state(link.state),
            step(link.step),
            clean::message(&link.evidence)
        )
    };
    lines.into_iter().map(line).collect()
}

/// A container by its pod, or by its id.
pub(super) fn name(container: &ContainerUse) -> String {
    let name = |name: &Option<String>| name.as_deref().map_or_else(|| "-".into(), clean::name);
    match (&container.pod_namespace, &container.pod) {
        (None, None) => clean::name(&container.id),
        _ => format!(
            "{}/{}, container {}",
            name(&container.pod_namespace),
            name(&container.pod),
            name(&container.container)
        ),
    }
}

/// Lines of one image. A real image has one, a hostile report may have any number.
const LINES: usize = 20;
