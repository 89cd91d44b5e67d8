//! The rights of a run are exactly those of `collector/kubernetes/rights.yaml`: with them everything works, and each that is missing
//! says so.

use assay_report::{CleanUpResult, NodeRow, Outcome};
use serde_json::{Value, json};

use crate::site::{Run, Site, site};

/// The roles as they are written.
const RIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../collector/kubernetes/rights.yaml");

/// The role of a namespace and that of the cluster.
fn roles(site: &Site) -> [Value; 2] {
    let read = ["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", RIGHTS];
    let text = site.cluster.kubectl(read).expect_code(0).text();
    let roles = serde_json::Deserializer::from_str(&text).into_iter().map(|role| role.unwrap());
    let roles: Vec<Value> = roles.collect();
    // some versions of kubectl print one list
    let roles = roles[0]["items"].as_array().cloned().unwrap_or(roles);
    roles.try_into().unwrap()
}

/// A run of a user with all rights but one.
fn run_without(site: &'static Site, number: usize, missing: Option<(&str, &str)>, nodes: bool) -> Run {
    let user = format!("user-{number}");
    let namespace = format!("rights-{number}");
    let run = Run {
        user: user.clone(),
        ..Run::new(site, &namespace).with(&["--only", "node-1", "--retries", "0"])
    };
    let [mut role, cluster_role] = roles(site);
    if let Some((resource, verb)) = missing {
        let rules = role["rules"].as_array_mut().unwrap();
        let rule = rules.iter_mut().find(|rule| rule["resources"] == json!([resource])).unwrap();
        let verbs = rule["verbs"].as_array_mut().unwrap();
        let before = verbs.len();
        verbs.retain(|known| known != verb);
        assert_eq!(verbs.len(), before - 1, "{resource} {verb} is no right of the role");
        rules.retain(|rule| rule["verbs"] != json!([]));
    }
    let api = "rbac.authorization.k8s.io/v1";
    let subjects = json!([{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]);
    let to =
        |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    run.apply(role);
    run.apply(json!({
        "apiVersion": api, "kind": "RoleBinding", "metadata": {"name": "assay"},
        "subjects": subjects, "roleRef": to("Role", "assay"),
    }));
    if nodes {
        site.cluster.apply(&cluster_role);
        site.cluster.apply(&json!({
            "apiVersion": api, "kind": "ClusterRoleBinding", "metadata": {"name": namespace},
            "subjects": subjects, "roleRef": to("ClusterRole", "assay"),
        }));
        site.cluster.wait("the rights are in force", || {
            site.cluster.kubectl(["auth", "can-i", "list", "nodes", "--as", &run.user]).code == Some(0)
        });
    }
    run
}

#[test]
fn these_rights_are_enough() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = run_without(site, 0, None, true);
    let _ = run.run().expect_code(1);
    assert_eq!(run.row().outcome, Outcome::Verified, "{:?}", run.row().message);
    let _ = run.clean_up(&[]).expect_code(0);
}

#[test]
fn a_user_who_may_not_list_nodes() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let run = run_without(site, 1, None, false);
    let done = run.run().expect_code(2);
    assert!(done.stderr.contains("cannot list resource \"nodes\""), "{}", done.stderr);
}

#[test]
fn a_right_that_a_visit_lacks_is_named_in_its_row() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let lacking = [
        ("configmaps", "get"),
        ("configmaps", "create"),
        ("jobs", "create"),
        ("pods", "watch"),
        ("pods/log", "get"),
    ];
    for (number, missing) in lacking.into_iter().enumerate() {
        let run = run_without(site, 2 + number, Some(missing), true);
        let _ = run.run().expect_code(3);
        let row: NodeRow = run.row();
        assert_eq!(row.outcome, Outcome::Forbidden, "{missing:?}: {:?}", row.message);
        assert!(row.message.unwrap().contains("cannot "), "{missing:?}");
        assert_eq!(run.remains(), [""; 0]);
    }
}

#[test]
fn a_right_that_cleaning_up_lacks_makes_the_run_incomplete() {
    let Some(site) = site() else { return };
    let _shared = site.cluster.shared();
    let lacking = [
        ("jobs", "list"),
        ("jobs", "delete"),
        ("pods", "list"),
        ("configmaps", "list"),
        ("configmaps", "delete"),
    ];
    for (number, missing) in lacking.into_iter().enumerate() {
        let run = run_without(site, 8 + number, Some(missing), true);
        let _ = run.run();
        let report = run.report();
        let row = &report.nodes[0];
        assert_eq!(row.outcome, Outcome::Verified, "{missing:?}: {:?}", row.message);
        let shared = missing.0 == "configmaps";
        assert_eq!(row.clean_up.result == CleanUpResult::Unknown, !shared, "{missing:?}");
        assert!(report.run.left.is_some(), "{missing:?}");
        let admin = Run { user: "admin".to_owned(), ..run };
        let _ = admin.clean_up(&[]).expect_code(0);
        assert_eq!(admin.remains(), [""; 0]);
    }
}
