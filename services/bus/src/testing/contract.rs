//! The checked-in description of an interface against what a service says of itself.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::{Document, Node, ParsingOptions};

/// Names of all interfaces that a description has.
pub fn interfaces(contract: &str) -> BTreeSet<String> {
    let document = parse(contract);
    let all = document.descendants();
    all.filter(|n| n.has_tag_name("interface"))
        .filter_map(|n| n.attribute("name"))
        .map(str::to_owned)
        .collect()
}

/// The interface `name` is the same in both, with every annotation.
pub fn assert_same(contract: &str, live: &str, name: &str) {
    assert_eq!(
        lines(interface(&parse(contract), name)),
        lines(interface(&parse(live), name))
    );
}

/// Every member has a comment before it, and every property says whether its changes are told.
pub fn assert_annotated_and_explained(contract: &str) {
    let contract = parse(contract);
    for member in contract
        .descendants()
        .filter(|n| n.parent().is_some_and(|p| p.has_tag_name("interface")))
    {
        if !member.is_element() {
            continue;
        }
        let before = std::iter::successors(member.prev_sibling(), Node::prev_sibling);
        let comment = before
            .take_while(|n| !n.is_element())
            .any(|n| n.is_comment());
        assert!(comment, "no comment before {}", line(member));
        let annotated = member.children().any(|n| n.has_tag_name("annotation"));
        assert!(
            annotated || !member.has_tag_name("property"),
            "{}",
            line(member)
        );
    }
}

/// An interface as lines that do not depend on order, with every annotation.
fn lines(interface: Node<'_, '_>) -> BTreeSet<String> {
    let elements = interface.children().filter(Node::is_element);
    elements.map(line).collect()
}

fn line(member: Node<'_, '_>) -> String {
    let attributes: BTreeMap<_, _> = member.attributes().map(|a| (a.name(), a.value())).collect();
    let mut text = format!("{} {attributes:?}", member.tag_name().name());
    let mut annotations = BTreeSet::new();
    for child in member.children().filter(Node::is_element) {
        let mut attributes: BTreeMap<_, _> =
            child.attributes().map(|a| (a.name(), a.value())).collect();
        match child.tag_name().name() {
            "arg" if member.has_tag_name("signal") => {
                // Of a signal "out" goes without saying.
                attributes.remove("direction");
                text += &format!(" arg {attributes:?}");
            }
            "arg" => text += &format!(" arg {attributes:?}"),
            _ => {
                annotations.insert(format!("{attributes:?}"));
            }
        }
    }
    // Not annotated means this.
    const EMITS: &str = "org.freedesktop.DBus.Property.EmitsChangedSignal";
    if member.has_tag_name("property") && !annotations.iter().any(|a| a.contains(EMITS)) {
        annotations.insert(format!(
            "{:?}",
            BTreeMap::from([("name", EMITS), ("value", "true")])
        ));
    }
    format!("{text} {annotations:?}")
}

fn interface<'a>(document: &'a Document<'_>, name: &str) -> Node<'a, 'a> {
    let mut interfaces = document
        .descendants()
        .filter(|n| n.has_tag_name("interface"));
    let found = interfaces.find(|n| n.attribute("name") == Some(name));
    found.unwrap_or_else(|| panic!("no interface {name}"))
}

fn parse(xml: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(xml, options).unwrap()
}
