//! Walks index graphs within limits, depth first and in the order in which manifests are listed.
//!
//! The caller reads each manifest and says what it leads to. A graph may have cycles and may list one manifest many times, so
//! the caller also says by which key a manifest counts as visited.

use std::collections::HashSet;
use std::hash::Hash;

use assay_verifier::limits;

/// A walk: `N` is what is yet to be visited, `K` is the key of a visited manifest.
#[derive(Debug)]
pub struct Walk<N, K> {
    open: Vec<(N, usize)>,
    visited: HashSet<K>,
    /// Entries of all indexes so far.
    listed: usize,
    most_manifests: usize,
}

/// The limit that a graph exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphLimit {
    /// It has more manifests than the walk visits.
    #[error("more than {most} manifests")]
    Manifests {
        /// How many the walk visits.
        most: usize,
    },
    /// Its indexes have more entries than [`limits::GRAPH_MANIFESTS`].
    #[error("its indexes have more than {} entries", limits::GRAPH_MANIFESTS)]
    Entries,
    /// It is deeper than [`limits::INDEX_DEPTH`].
    #[error("more than {} manifests deep", limits::INDEX_DEPTH)]
    Depth,
}

impl<N, K: Eq + Hash> Default for Walk<N, K> {
    fn default() -> Self {
        Self::within(limits::GRAPH_MANIFESTS)
    }
}

impl<N, K: Eq + Hash> Walk<N, K> {
    /// A walk that visits so many manifests at most.
    pub fn within(most_manifests: usize) -> Self {
        Self { open: Vec::new(), visited: HashSet::new(), listed: 0, most_manifests }
    }

    /// Adds a root, which is visited before anything that was added earlier.
    pub fn add_root(&mut self, root: N) {
        self.open.push((root, 1));
    }

    /// The next one to visit, with its depth. A root has depth 1.
    pub fn take_next(&mut self) -> Option<(N, usize)> {
        self.open.pop()
    }

    /// Marks a manifest as visited. False if it was visited before.
    ///
    /// # Errors
    /// [`GraphLimit::Manifests`] if more than that were visited; it counts as visited all the same.
    pub fn visit(&mut self, key: K) -> Result<bool, GraphLimit> {
        let is_new = self.visited.insert(key);
        if self.visited.len() > self.most_manifests {
            return Err(GraphLimit::Manifests { most: self.most_manifests });
        }
        Ok(is_new)
    }

    /// Whether it was visited before.
    pub fn is_visited(&self, key: &K) -> bool {
        self.visited.contains(key)
    }

    /// How many were visited.
    pub fn visited(&self) -> usize {
        self.visited.len()
    }

    /// Counts the entries of an index, before anything of them is kept.
    ///
    /// # Errors
    /// [`GraphLimit::Entries`]
    pub fn count_entries(&mut self, entries: usize) -> Result<(), GraphLimit> {
        self.listed = self.listed.saturating_add(entries);
        if self.listed > limits::GRAPH_MANIFESTS { Err(GraphLimit::Entries) } else { Ok(()) }
    }

    /// Adds what a manifest at `depth` leads to, in its order.
    ///
    /// # Errors
    /// [`GraphLimit::Depth`] if there is anything to add below the deepest level; nothing is added then.
    pub fn follow(&mut self, depth: usize, next: impl IntoIterator<Item = N>) -> Result<(), GraphLimit> {
        let mut next = next.into_iter().peekable();
        if next.peek().is_some() {
            check_depth(depth + 1)?;
            self.add(depth, next);
        }
        Ok(())
    }

    /// Adds what a manifest at `depth` leads to, in its order, however deep it is. The caller checks the depth of what it takes
    /// ([`check_depth`]), because not everything that it added counts.
    pub fn add(&mut self, depth: usize, next: impl IntoIterator<Item = N>) {
        let begin = self.open.len();
        self.open.extend(next.into_iter().map(|next| (next, depth + 1)));
        self.open[begin..].reverse();
    }
}

/// Whether a manifest at `depth` is followed.
///
/// # Errors
/// [`GraphLimit::Depth`]
pub fn check_depth(depth: usize) -> Result<(), GraphLimit> {
    if depth > limits::INDEX_DEPTH { Err(GraphLimit::Depth) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_in_listing_order_and_each_key_once() {
        let mut walk = Walk::default();
        let mut order = Vec::new();
        for root in [1, 5] {
            walk.add_root(root);
            while let Some((node, depth)) = walk.take_next() {
                if !walk.visit(node).unwrap() {
                    continue;
                }
                order.push((node, depth));
                let next: &[i32] = match node {
                    1 => &[2, 4],
                    2 => &[3, 1],
                    5 => &[2],
                    _ => &[],
                };
                walk.follow(depth, next.iter().copied()).unwrap();
            }
        }
        assert_eq!(order, [(1, 1), (2, 2), (3, 3), (4, 2), (5, 1)]);
    }

    #[test]
    fn stops_at_each_limit() {
        let mut walk = Walk::within(2);
        assert_eq!([1, 2, 2].map(|key| walk.visit(key)), [Ok(true), Ok(true), Ok(false)]);
        assert_eq!(walk.visit(3), Err(GraphLimit::Manifests { most: 2 }));
        assert_eq!((walk.is_visited(&3), walk.is_visited(&4), walk.visited()), (true, false, 3));
        assert_eq!(walk.count_entries(limits::GRAPH_MANIFESTS), Ok(()));
        assert_eq!(walk.count_entries(1), Err(GraphLimit::Entries));
        assert_eq!(walk.follow(limits::INDEX_DEPTH - 1, [()]), Ok(()));
        assert_eq!(walk.follow(limits::INDEX_DEPTH, [()]), Err(GraphLimit::Depth));
        assert_eq!(walk.follow(limits::INDEX_DEPTH, []), Ok(()));
        assert_eq!(walk.take_next(), Some(((), limits::INDEX_DEPTH)));
    }
}
