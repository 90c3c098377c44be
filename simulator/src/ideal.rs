//! The reference ring: what should be true of a settled network, computed from who lives.

use chord::{Id, Node, Status};

/// The identifiers of all living members, in ring order.
pub fn members<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<Id> {
    let mut ids: Vec<Id> =
        nodes.filter(|node| node.status() == Status::Member).map(|node| node.me().id).collect();
    ids.sort();
    ids
}

/// Who is responsible for a key: the first member at or behind it.
///
/// # Panics
/// Where there are no members.
pub fn owner(members: &[Id], key: Id) -> Id {
    let at = members.partition_point(|id| *id < key);
    members[at % members.len()]
}

/// What is wrong with a node's neighbours, seen from the whole ring; none: they are exactly right.
pub fn flaw(members: &[Id], node: &Node) -> Option<String> {
    let n = members.len();
    let me = node.me().id;
    let Ok(at) = members.binary_search(&me) else { return Some(format!("{:?} is no member", node.me())) };
    let length = node.config().successors.min(n - 1);
    let expected: Vec<Id> = (1..=length).map(|step| members[(at + step) % n]).collect();
    let listed: Vec<Id> = node.successors().iter().map(|peer| peer.id).collect();
    if listed != expected {
        return Some(format!("{:?} lists {listed:?}, should {expected:?}", node.me()));
    }
    let before = (n > 1).then(|| members[(at + n - 1) % n]);
    let predecessor = node.predecessor().map(|peer| peer.id);
    if n > 1 && predecessor != before {
        return Some(format!("{:?} has predecessor {predecessor:?}, should {before:?}", node.me()));
    }
    None
}
