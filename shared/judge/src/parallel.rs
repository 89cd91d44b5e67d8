//! Maps items on several threads and gives the results in the order of the items.

use std::sync::{Mutex, PoisonError};

/// Applies `work` to every item on at most `jobs` threads. Each thread has its own state from `state`, such as a buffer. Items
/// are taken one by one, so that a large one holds up only its own thread.
pub fn map<T: Send, S, R: Send>(
    jobs: usize,
    items: Vec<T>,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    let count = items.len();
    let items = Mutex::new(items.into_iter().enumerate());
    let results = Mutex::new(Vec::with_capacity(count));
    let worker = || {
        let mut state = state();
        loop {
            // a poisoned lock means that another worker panicked, and then the scope below panics too
            let next = items.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, item)) = next else { break };
            let result = work(&mut state, item);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(count) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_and_takes_every_item_once() {
        let items: Vec<u32> = (0..1000).collect();
        for jobs in [1, 2, 7, 5000] {
            assert_eq!(map(jobs, items.clone(), || (), |(), item| item), items);
        }
        assert!(map(4, Vec::<u32>::new(), || (), |(), item| item).is_empty());
    }
}
