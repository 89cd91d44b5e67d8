//! Finds rows of a run that the same machine answered for.
//!
//! A typing error in a site file can make one node visited twice and another never, and both rows look well. Therefore no two
//! rows may share a machine id or a host key, unless the site file names one address with several stores on purpose.

use std::collections::{BTreeMap, BTreeSet};

use assay_report::{NodeRow, SameMachine, canonical_store};

/// Rows of the same machine that are named; further ones are only counted.
const NAMED: usize = 8;

/// The machines behind the rows of a run. They are known before any row is written.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    rows: BTreeMap<String, Machine>,
}

/// What is known of the machine behind a row.
#[derive(Clone, Debug)]
struct Machine {
    /// Its address without the port; none if there was no connection, as for reports that came another way.
    host: Option<String>,
    store: String,
    machine_id: Option<String>,
    host_key: Option<String>,
}

impl Machines {
    /// Records which machine a row is from.
    pub fn add(&mut self, row: &NodeRow) {
        let own = row.accepted();
        let windows = row.os.as_deref() == Some("windows");
        let store = own.map(|own| own.inputs.store.clone());
        // systemd writes this if a machine has no id yet
        let is_id = |id: &&String| !id.is_empty() && *id != "uninitialized";
        let machine = Machine {
            host: row.host_key.as_ref().and(row.address.as_deref()).map(host),
            store: store.unwrap_or_else(|| canonical_store(row.store.as_deref(), windows)),
            machine_id: own.and_then(|own| own.node.machine_id.as_ref()).filter(is_id).cloned(),
            host_key: row.host_key.clone(),
        };
        self.rows.insert(row.name.clone(), machine);
    }

    /// The other rows of the machine behind the row of this name.
    pub fn others(&self, name: &str) -> Option<SameMachine> {
        let own = self.rows.get(name)?;
        let (mut same, mut names) = (SameMachine::default(), BTreeSet::new());
        for (other, machine) in self.rows.iter().filter(|(other, _)| *other != name) {
            let equal = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
            let machine_id = equal(&own.machine_id, &machine.machine_id);
            let host_key = equal(&own.host_key, &machine.host_key);
            if (machine_id || host_key) && !own.is_apart_from(machine) {
                same.machine_id |= machine_id;
                same.host_key |= host_key;
                same.count += 1;
                names.insert(other.clone());
            }
        }
        same.nodes = names.into_iter().take(NAMED).collect();
        (same.count > 0).then_some(same)
    }
}

impl Machine {
    /// Whether both rows are intended although one machine answered: they name different stores at one address. A layout may
    /// be a copy of any machine's images, so the machine that judged it says nothing.
    fn is_apart_from(&self, other: &Self) -> bool {
        match (&self.host, &other.host) {
            (Some(own), Some(others)) => own == others && self.store != other.store,
            _ => self.store != other.store || self.store.starts_with("layout:"),
        }
    }
}

/// The address without its port. Rows write it as `a`, `a:22`, `[::1]:22` or `::1`.
fn host(address: &str) -> String {
    let host = match address.rsplit_once(':') {
        Some((host, _)) if host.ends_with(']') || !host.contains(':') => host,
        _ => address,
    };
    host.trim_matches(['[', ']']).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// Rows of this address, store, machine id and host key.
    fn machines(rows: &[(Option<&str>, &str, &str, &str)]) -> Machines {
        let mut machines = Machines::default();
        for (number, (address, store, machine_id, host_key)) in rows.iter().enumerate() {
            let mut row = sample::all_passed().nodes.remove(0);
            row.name = number.to_string();
            row.address = address.map(str::to_owned);
            row.host_key = (!host_key.is_empty()).then(|| (*host_key).to_owned());
            let report = row.report.as_mut().unwrap();
            report.node.machine_id = Some((*machine_id).to_owned());
            report.inputs.store = (*store).to_owned();
            machines.add(&row);
        }
        machines
    }

    #[test]
    fn finds_rows_of_one_machine() {
        const C: &str = "containerd:/run/c.sock";
        for (one, other, found) in [
            // two machines
            ((Some("a"), C, "1", "k"), (Some("b"), C, "2", "l"), None),
            // A typing error: one machine under two names or addresses, or twice under one.
            ((Some("a"), C, "1", "k"), (Some("b"), C, "1", "k"), Some((true, true))),
            ((Some("a:22"), C, "1", "k"), (Some("A:2222"), C, "1", "k"), Some((true, true))),
            ((Some("a"), C, "1", "k"), (Some("a"), C, "1", "k"), Some((true, true))),
            // copies of a machine
            ((Some("a"), C, "1", "k"), (Some("b"), C, "1", "l"), Some((true, false))),
            ((Some("a"), C, "1", "k"), (Some("b"), C, "2", "k"), Some((false, true))),
            ((Some("a"), "layout:x", "1", "k"), (Some("b"), "layout:y", "1", "l"), Some((true, false))),
            // several stores of one machine, on purpose
            ((Some("a"), C, "1", "k"), (Some("a:22"), "root:/x", "1", "k"), None),
            ((Some("[::1]:22"), C, "1", "k"), (Some("::1"), "root:/x", "1", "k"), None),
            // Rows without an id are not of one machine.
            ((Some("a"), C, "", "k"), (Some("b"), C, "", "l"), None),
            ((Some("a"), C, "uninitialized", ""), (Some("b"), C, "uninitialized", ""), None),
            // There was no connection to these addresses.
            ((Some("a"), "layout:x", "1", ""), (Some("b"), "layout:y", "1", ""), None),
            // These reports came in another way.
            ((None, C, "1", ""), (None, C, "1", ""), Some((true, false))),
            ((None, C, "1", ""), (None, "root:/x", "1", ""), None),
            ((None, "layout:x", "1", ""), (None, "layout:x", "1", ""), None),
        ] {
            let machines = machines(&[one, other]);
            for (name, others) in [("0", "1"), ("1", "0")] {
                let same = machines.others(name);
                assert_eq!(
                    same.as_ref().map(|same| (same.machine_id, same.host_key)),
                    found,
                    "{one:?} {other:?}"
                );
                assert!(same.is_none_or(|same| same.nodes == [others] && same.count == 1));
            }
        }
    }

    #[test]
    fn counts_many_copies() {
        let many = machines(&[(Some("a"), "s", "1", "k"); 30]);
        let same = many.others("3").unwrap();
        assert_eq!((same.count, same.nodes.len()), (29, NAMED));
    }
}
