//! Whether an answer about a name is true, seen from all disks.
//!
//! Judged is what an answer may not say, whatever faults go on: that there is nothing where the asker could
//! reach a keeper that has acknowledged it; that there is something withdrawn longer than it takes to become
//! known; that there is what never was.

use std::time::Duration;

use chord::index::Source;
use chord::{Found, Lost, Status, Ticket};

use super::Network;
use super::files::{Question, Version};

/// From the last acknowledgement of a withdrawal until nobody reports it any more.
const KNOWN: Duration = Duration::from_secs(3);
/// So long after parts of the network reach each other again, each may still be a ring of its own, and speak for itself
/// (docs/guarantees.md).
const MERGED: Duration = Duration::from_secs(16);
/// What a lease may last longer, in the ticks of those that pass its age on, and by messages that come late.
const LATE: Duration = Duration::from_secs(5);

impl Network {
    pub(super) fn judge_claims(&mut self, ticket: Ticket, outcome: &Result<Found, Lost>) {
        let Some(question) = self.ledger.questions.remove(&ticket) else { return };
        let Ok(found) = outcome else { return };
        let untrue = found.reading.sources.iter().filter_map(|source| self.untrue(&question, found, source));
        let wrongs: Vec<String> = untrue.chain(self.withheld(&question, found)).collect();
        wrongs.into_iter().for_each(|what| self.wrong(question.host, what));
    }

    /// Why a source should not be in an answer.
    fn untrue(&self, question: &Question, found: &Found, source: &Source) -> Option<String> {
        let (publisher, file) = (&source.publisher, &source.file);
        let host = self.by_address.get(&publisher.address).copied();
        let version = self.ledger.versions.get(&file.size);
        let version = version.filter(|v| Some(v.host) == host && v.path == file.path && v.key == found.key);
        let Some(version) = version else {
            return Some(format!("it is told of {:?} of {publisher:?}, which never was", file.path));
        };
        let latest = self.node(version.host).map_or(u64::MAX, |node| node.me().incarnation);
        if publisher.incarnation < version.first || publisher.incarnation > latest {
            return Some(format!(
                "it is told of {:?} of life {} of p{}, which has it in {} to {latest}",
                file.path, publisher.incarnation, version.host, version.first
            ));
        }
        if version.vanished.is_some_and(|at| at < question.at) {
            return Some(format!("{}, which was gone everywhere", self.describe(version, found)));
        }
        let until = self.reported_until(version, found)?;
        (question.at > until)
            .then(|| format!("{}, which should be gone since {until:?}", self.describe(version, found)))
    }

    fn describe(&self, version: &Version, found: &Found) -> String {
        let told = self.told_by(version, found);
        let Version { host, path, gone, .. } = version;
        format!("p{host}'s {path:?} under {:?} ({gone:?}) is told of by {told:?}", version.key)
    }

    /// Who of those that took part in an answer holds a version; if none does any more, all that took part.
    fn told_by(&self, version: &Version, found: &Found) -> Vec<usize> {
        let slot = &self.hosts[version.host];
        let asked = found.route.steps.iter().map(|step| &step.peer).chain([&found.owner]);
        let asked: Vec<usize> =
            asked.filter_map(|peer| self.by_address.get(&peer.address).copied()).collect();
        let holds = |host: &&usize| {
            self.node(**host).is_some_and(|node| {
                let reading = node.keeper().read(version.key, usize::MAX, |_| true);
                reading.sources.iter().any(|source| {
                    source.file.path == version.path && source.publisher.address == slot.address
                })
            })
        };
        let holders: Vec<usize> = asked.iter().filter(holds).copied().collect();
        if holders.is_empty() { asked } else { holders }
    }

    /// Until when a version may be reported by those who took part in an answer; none: for ever.
    fn reported_until(&self, version: &Version, found: &Found) -> Option<Duration> {
        let lease = self.config.lease + LATE;
        let slot = &self.hosts[version.host];
        let turned = self.ledger.turned.get(&version.host).copied().unwrap_or_default();
        let leaves = slot.node.as_ref().is_none_or(|node| node.status() == Status::Leaving);
        let Some(gone) = &version.gone else {
            return leaves.then_some(turned + lease);
        };
        let Some(acknowledged) = gone.acknowledged else {
            return (leaves || slot.life != gone.life).then_some(turned.max(gone.at) + lease);
        };
        let told = self.told_by(version, found);
        let apart = told.iter().filter_map(|host| self.apart(*host, version.host, gone.at));
        apart.map(|last| last + lease).chain([acknowledged + KNOWN]).max()
    }

    /// What an answer leaves out although it claims to be complete, and somebody has it who could be reached.
    fn withheld(&self, question: &Question, found: &Found) -> Option<String> {
        if !found.reading.complete || found.reading.sources.len() >= question.limit {
            return None;
        }
        let sizes = self.ledger.by_key.get(&found.key)?;
        sizes.iter().filter_map(|size| self.ledger.versions.get(size)).find_map(|version| {
            let (slot, receipt) = (&self.hosts[version.host], version.receipt.as_ref()?);
            let node = slot.node.as_ref().filter(|node| node.status() == Status::Member)?;
            let listed = |source: &Source| {
                source.publisher.id == node.me().id && source.file.path == version.path
            };
            let states = version.gone.is_none() && slot.life == receipt.life && receipt.at <= question.at;
            if !states || found.reading.sources.iter().any(listed) {
                return None;
            }
            let near = |host: usize, at: Duration| {
                let merged = |until: Duration| question.at > until + MERGED;
                let before = self.apart(host, question.host, at.saturating_sub(MERGED));
                self.apart(host, question.host, at).is_none()
                    && self.apart(host, version.host, at).is_none()
                    && before.is_none_or(merged)
            };
            let same = |(host, life): (usize, u64)| self.hosts[host].life == life;
            let holder = receipt.keepers.iter().find(|((host, life), at)| {
                let node = self.node(*host).filter(|node| node.status() == Status::Member);
                let holds = node.is_some_and(|node| {
                    let reading = node.keeper().read(found.key, usize::MAX, |_| true);
                    reading.sources.iter().any(listed)
                });
                same((*host, *life)) && holds && near(*host, **at)
            });
            let by = match holder {
                Some(((host, _), _)) => format!("p{host} has its entry"),
                // Then its publisher is to be asked.
                None if receipt.keepers.keys().all(|keeper| !same(*keeper)) && near(version.host, receipt.at) => {
                    "it lives itself, though none of its keepers".into()
                }
                None => return None,
            };
            let (owner, failed) = (&found.owner, &found.route.failed);
            let steps: Vec<usize> = (found.route.steps.iter())
                .filter_map(|step| self.by_address.get(&step.peer.address).copied())
                .collect();
            let teller = self.by_address.get(&owner.address).copied().unwrap_or(version.host);
            let apart = self.apart(teller, version.host, receipt.at);
            Some(format!(
                "it is told by {owner:?}, over {steps:?}, past {failed:?}, that p{} has no {:?} under {:?}: {by}, \
                 acknowledged at {:?} by {:?}; who told and who has it were apart until {apart:?}",
                version.host, version.path, version.key, receipt.at, receipt.keepers
            ))
        })
    }
}
