//! Edits of files: written, rewritten, renamed and removed at drawn hosts.

use std::sync::Arc;
use std::time::Duration;

use super::steps::Step;
use crate::network::Network;

/// A host has so many files at most.
const MOST: usize = 12;

/// So many edits a second at drawn times, of names out of so many.
pub(super) fn edits(
    network: &mut Network,
    each_second: f64,
    names: usize,
    over: Duration,
) -> Vec<(Duration, Step)> {
    let count = (over.as_secs_f64() * each_second).round() as usize;
    let millis = (over.as_millis() as usize).max(1);
    (0..count).map(|_| (Duration::from_millis(network.draw(millis) as u64), Step::Edit(names))).collect()
}

/// One edit, at any host: also where no peer runs.
pub(super) fn edit(network: &mut Network, names: usize) {
    let hosts = network.hosts();
    let host = network.draw(hosts);
    let files = network.disk(host);
    // Few names, so that several peers and folders have files of one.
    let name = format!("song {}.ogg", network.draw(names));
    let folder = network.draw(MOST);
    let path = format!("{folder}/{name}");
    let drawn = |network: &mut Network| -> Option<(Arc<str>, Arc<str>)> {
        (!files.is_empty()).then(|| files[network.draw(files.len())].clone())
    };
    match (network.draw(10), drawn(network)) {
        (0..=3, _) | (_, None) if files.len() < MOST => network.edit(host, &[(&path, &name)], &[]),
        (4 | 5, Some((old, _))) if *old != *path => network.edit(host, &[(&path, &name)], &[&old]),
        (6 | 7, Some((old, name))) => network.edit(host, &[(&old, &name)], &[]),
        (_, Some((old, _))) => network.edit(host, &[], &[&old]),
        (_, None) => {}
    }
}
