use std::collections::BTreeSet;

use super::error::ClusterNodeProblem;
use super::*;
use crate::nodes::{Os, values};

/// What kubectl 1.32 printed for the nodes of an AKS cluster on Azure Local.
const JSON: &str = include_str!("../../../../fixtures/kubectl/nodes.json");
const WIDE: &str = include_str!("../../../../fixtures/kubectl/nodes-wide.txt");

fn found(name: &str, last: u8, os: Os, roles: &[&str], remarks: &[&str]) -> ClusterNode {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ClusterNode {
        name: name.into(),
        uid: None,
        address: format!("100.72.248.{last}"),
        os: Some(os),
        roles: owned(roles),
        remarks: owned(remarks),
    }
}

/// The nodes without the ids of their objects, which only JSON has.
fn read_without_ids(bytes: &[u8]) -> Vec<ClusterNode> {
    read(bytes).unwrap().into_iter().map(|node| ClusterNode { uid: None, ..node }).collect()
}

#[test]
fn both_forms_say_the_same() {
    let want = [
        found("moc-l1wtd2htd2g", 135, Os::Linux, &[], &[]),
        found("moc-lsbe393il9d", 133, Os::Linux, &["control-plane"], &[]),
        found("moc-lw0v0qu2hl8", 136, Os::Linux, &[], &["NotReady"]),
        found("moc-wgh4c7s1w2x", 137, Os::Windows, &[], &[]),
    ];
    for text in [JSON, WIDE] {
        assert_eq!(read_without_ids(text.as_bytes()), want);
        let windows = text.replace('\n', "\r\n");
        assert_eq!(read_without_ids(windows.as_bytes()), want);
        for (mark, bytes) in [
            (0xfeff_u16.to_le_bytes(), u16::to_le_bytes as fn(u16) -> [u8; 2]),
            (0xfeff_u16.to_be_bytes(), u16::to_be_bytes),
        ] {
            let utf16: Vec<u8> = mark.into_iter().chain(windows.encode_utf16().flat_map(bytes)).collect();
            assert_eq!(read_without_ids(&utf16), want);
        }
    }
}

#[test]
fn more_columns_and_older_roles_do_no_harm() {
    let text = "\
NAME  STATUS                     ROLES                 AGE  INTERNAL-IP  EXTERNAL-IP  OS-IMAGE            POOL\n\
a     Ready,SchedulingDisabled   control-plane,master  1d   <none>       192.0.2.7    Ubuntu 22.04.4 LTS  \n\
ü     NotReady                   <none>                1d   fd00::7      <none>       <unknown>           one\n";
    let error = read(text.as_bytes()).unwrap();
    assert_eq!(error[0].address, "192.0.2.7");
    assert_eq!(error[0].roles, ["control-plane", "master"]);
    assert_eq!((error[1].address.as_str(), error[1].os), ("fd00::7", None));
}

#[test]
fn lists_of_several_clusters_may_stand_in_one_file() {
    let first = "NAME   STATUS  ROLES   INTERNAL-IP  OS-IMAGE\na      Ready   <none>  192.0.2.1    Ubuntu\n";
    let second = "NAME            STATUS  ROLES   AGE  INTERNAL-IP  OS-IMAGE\nnode/b          Ready   <none>  1d   192.0.2.2    Ubuntu\n";
    for text in
        [format!("{first}{second}"), format!("{first}\n{second}{}", second.replace("node/b", "node/c"))]
    {
        let nodes = read(text.as_bytes()).unwrap();
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, &["a", "b", "c"][..names.len()]);
        assert!(names.len() >= 2);
        assert!(nodes.iter().all(|node| node.address.starts_with("192.0.2.")));
    }
    let other = JSON.replace("moc-", "other-");
    assert_eq!(read(format!("{JSON}\n{other}").as_bytes()).unwrap().len(), 8);
    let error = read(format!("{JSON}{JSON}").as_bytes()).unwrap_err();
    assert!(matches!(error.problem, NodeListProblem::Node(ClusterNodeProblem::Twice(_))));
}

#[test]
fn one_node_and_the_apis_own_list_are_read_too() {
    let node = |name: &str| {
        format!(
            r#"{{"metadata":{{"name":"{name}"}},"status":{{"addresses":[{{"type":"InternalIP","address":"10.0.0.1"}}]}}}}"#
        )
    };
    let one = node("a").replacen('{', r#"{"kind":"Node","#, 1);
    assert_eq!(read(one.as_bytes()).unwrap().len(), 1);
    let list = format!(r#"{{"kind":"NodeList","metadata":{{}},"items":[{},{}]}}"#, node("b"), node("a"));
    let names: Vec<_> = read(list.as_bytes()).unwrap().into_iter().map(|node| node.name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn errors_name_the_line() {
    use NodeListProblem as P;
    let row =
        |name: &str, address: &str| format!("{name:<6}Ready   <none>  1d   v1       {address:<15}  Linux\n");
    let header = "NAME  STATUS  ROLES   AGE  VERSION  INTERNAL-IP      OS-IMAGE\n";
    let good = row("a", "10.0.0.1");
    let node = |problem: ClusterNodeProblem| P::Node(problem);
    for (text, line, problem) in [
        (String::new(), 1, P::NoHeader),
        ("No resources found\n".to_owned(), 1, P::NoHeader),
        ("\n  NAME STATUS\n".to_owned(), 2, P::NoHeader),
        ("NAME   STATUS   ROLES   AGE   VERSION\n".to_owned(), 1, P::NoColumn("INTERNAL-IP")),
        (header.to_owned(), 1, P::NoNode),
        (format!("{header}{good}b Ready <none> 1d v1 10.0.0.2 Linux\n"), 3, P::Columns),
        (format!("{header}{good}{good}"), 3, node(ClusterNodeProblem::Twice("a".into()))),
        (format!("{header}{}", row("", "10.0.0.1")), 2, node(ClusterNodeProblem::Name(String::new()))),
        (
            format!("{header}{}", row("a\u{1b}", "10.0.0.1")),
            2,
            node(ClusterNodeProblem::Name("a\u{1b}".into())),
        ),
        (
            format!("{header}{}", row("a", "-oProxy=x")),
            2,
            node(ClusterNodeProblem::Address { node: "a".into(), address: "-oProxy=x".into() }),
        ),
    ] {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.problem), (line, problem), "{text}");
        let quoted = text.lines().nth(line - 1).filter(|_| text.len() > header.len());
        assert!(quoted.is_none_or(|line| error.quoted.as_deref() == Some(line.trim_end())), "{text}");
    }
    assert_eq!(read(b"\xff\xfe\x41").unwrap_err().problem, P::Encoding);
    assert_eq!(read(b"NAME \xc3\x28").unwrap_err().problem, P::Encoding);
}

#[test]
fn json_errors_name_the_line_too() {
    let item = |name: &str, address: &str| {
        format!(
            "{{\"kind\": \"Node\",\n\"metadata\": {{\"name\": \"{name}\"}},\n\"status\": {{\"addresses\": [{{\"type\": \"InternalIP\", \"address\": \"{address}\"}}]}}\n}}"
        )
    };
    let list =
        |items: &[String]| format!("{{\n\"kind\": \"List\",\n\"items\": [\n{}\n]}}", items.join(",\n"));
    let good = item("a", "10.0.0.1");
    for (text, line) in [
        ("{".to_owned(), 1),
        ("[]".to_owned(), 1),
        ("{\n\"kind\": \"List\"}".to_owned(), 1),
        (format!("{}x", list(std::slice::from_ref(&good))), 8),
        (list(&[good.replace("\"Node\"", "\"Pod\"")]), 4),
        (list(&[good.clone(), good.clone()]), 8),
        (list(&[good.clone(), item("b", "a b")]), 8),
        (list(&[good.clone(), item("b\\u001b", "10.0.0.2")]), 8),
        (list(&[good.clone(), item("", "10.0.0.2")]), 8),
        (list(&[good.clone(), good.replace("\"name\"", "\"title\"")]), 9),
        (list(&[good.replace("\"name\": \"a\"", "\"name\": \"a\", \"name\": \"b\"")]), 5),
        (list(&[good.replace("\"status\"", "\"metadata\"")]), 6),
        (format!("{{\"kind\": \"Node\", \"items\": {}}}", "[".repeat(1000)), 1),
    ] {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error.problem, NodeListProblem::Json(_) | NodeListProblem::Node(_)),
            "{text}: {error}"
        );
        assert_eq!(error.line, line, "{text}: {error}");
    }
}

#[test]
fn odd_names_become_safe_ones() {
    let node = |name: &str| ClusterNode {
        name: name.into(),
        uid: None,
        address: "10.0.0.1".into(),
        os: None,
        roles: Vec::new(),
        remarks: Vec::new(),
    };
    assert_eq!(node("moc-lsbe393il9d").site_name(), "moc-lsbe393il9d");
    let odd = ["aux", "com1.example.test", "../../etc/passwd", "ü", "-x", "a/b", "a_b", &"a".repeat(200)];
    let names: BTreeSet<String> = odd.iter().map(|name| node(name).site_name().into_owned()).collect();
    assert_eq!(names.len(), odd.len());
    assert!(names.iter().all(|name| values::is_name(name)), "{names:?}");
}
