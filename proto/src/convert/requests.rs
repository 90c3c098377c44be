//! The requests of peers to each other, both ways.

use std::sync::Arc;

use chord::index::Batch;
use chord::{Envelope, Errand, HandedOver, Id, Peer, Read, Request};

use super::entries::{statement, wire_statement};
use super::peers::wire_news;
use super::{
    MAX_AVOID, MAX_DIGESTS, MAX_ENTRIES, MAX_KEYS, MAX_NEWS, MAX_PARTS, MAX_READ, Malformed, at_most, bytes,
    id, list, malformed, required,
};
use crate::chord_v1 as wire;

/// A request as one of the wire's messages, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Outgoing {
    Join(wire::JoinRequest),
    Stabilize(wire::StabilizeRequest),
    Notify(wire::NotifyRequest),
    Poke(wire::PokeRequest),
    Reunite(wire::ReuniteRequest),
    Gossip(wire::GossipRequest),
    Contacts(wire::ContactsRequest),
    Ping(wire::PingRequest),
    Relay(wire::RelayRequest),
    Relayed(wire::RelayedRequest),
    NotifyFor(wire::NotifyForRequest),
    Leave(wire::LeaveRequest),
    NextHop(wire::NextHopRequest),
    Renew(wire::RenewRequest),
    Publish(wire::PublishRequest),
    Moved(wire::MovedRequest),
    Withdraw(wire::WithdrawRequest),
    HandOver(wire::HandOverRequest),
    Compare(wire::CompareRequest),
}

impl Outgoing {
    /// The message that says `request`.
    pub fn new(envelope: Envelope, request: Request) -> Outgoing {
        let envelope = Some(envelope.into());
        match request {
            Request::Join => Outgoing::Join(wire::JoinRequest { envelope }),
            Request::Stabilize { seen } => Outgoing::Stabilize(wire::StabilizeRequest { envelope, seen }),
            Request::Notify => Outgoing::Notify(wire::NotifyRequest { envelope }),
            Request::Poke => Outgoing::Poke(wire::PokeRequest { envelope }),
            Request::Reunite(peer) => {
                Outgoing::Reunite(wire::ReuniteRequest { envelope, peer: Some(peer.into()) })
            }
            Request::Gossip { digest, news, compare } => {
                let news = wire_news(news);
                Outgoing::Gossip(wire::GossipRequest { envelope, digest, news, compare })
            }
            Request::Contacts { wanted, parts, marks } => {
                Outgoing::Contacts(wire::ContactsRequest { envelope, wanted, parts, marks })
            }
            Request::Ping => Outgoing::Ping(wire::PingRequest { envelope }),
            Request::Relay { to, errand } => {
                let errand = match errand {
                    Errand::Ping => wire::Errand::Ping,
                    Errand::Stabilize => wire::Errand::Stabilize,
                    Errand::Notify => wire::Errand::Notify,
                };
                let (to, errand) = (Some(to.into()), errand.into());
                Outgoing::Relay(wire::RelayRequest { envelope, to, errand })
            }
            Request::Relayed { by, neighbors } => {
                let (by, neighbors) = (Some(by.into()), neighbors.map(Into::into));
                Outgoing::Relayed(wire::RelayedRequest { envelope, by, neighbors })
            }
            Request::NotifyFor(peer) => {
                Outgoing::NotifyFor(wire::NotifyForRequest { envelope, peer: Some(peer.into()) })
            }
            Request::Leave => Outgoing::Leave(wire::LeaveRequest { envelope }),
            Request::NextHop { key, avoid, last, read } => {
                let (kind, limit) = wire_read(&read);
                let search = match read {
                    Read::Search(search) | Read::SearchCopies(search) => Some((*search).clone().into()),
                    _ => None,
                };
                Outgoing::NextHop(wire::NextHopRequest {
                    envelope,
                    key: bytes(key),
                    avoid: avoid.into_iter().map(bytes).collect(),
                    read: kind.into(),
                    limit,
                    last,
                    search,
                })
            }
            Request::Renew { services, sequence, arcs, all } => Outgoing::Renew(wire::RenewRequest {
                envelope,
                services: Some(services.into()),
                sequence,
                arcs: arcs.into_iter().map(Into::into).collect(),
                all,
            }),
            Request::Publish(batch) => {
                let keys = batch.keys.into_iter().map(|statement| {
                    let (key, word, total, entries) = wire_statement(statement);
                    wire::KeyEntries { key, entries, word, total }
                });
                Outgoing::Publish(wire::PublishRequest {
                    envelope,
                    services: Some(batch.services.into()),
                    sequence: batch.sequence,
                    from: bytes(batch.arc.0),
                    to: bytes(batch.arc.1),
                    replace: batch.replace,
                    keys: keys.collect(),
                })
            }
            Request::Moved(arc) => Outgoing::Moved(wire::MovedRequest { envelope, arc: Some(arc.into()) }),
            Request::Withdraw => Outgoing::Withdraw(wire::WithdrawRequest { envelope }),
            Request::HandOver { publishers, done } => {
                let arc = done.as_ref().map(|done| done.arc);
                Outgoing::HandOver(wire::HandOverRequest {
                    envelope,
                    publishers: publishers.into_iter().map(Into::into).collect(),
                    done: done.is_some(),
                    arc_from: arc.map(|arc| bytes(arc.0)).unwrap_or_default(),
                    arc_to: arc.map(|arc| bytes(arc.1)).unwrap_or_default(),
                    complete: done.is_some_and(|done| done.complete),
                })
            }
            Request::Compare { arc, complete, publishers } => Outgoing::Compare(wire::CompareRequest {
                envelope,
                arc_from: bytes(arc.0),
                arc_to: bytes(arc.1),
                complete,
                publishers: publishers.into_iter().map(Into::into).collect(),
            }),
        }
    }
}

/// A request message of one peer to another.
pub trait Question {
    /// What it asks, and in what envelope.
    ///
    /// # Errors
    /// The first field that is malformed.
    fn into_core(self) -> Result<(Envelope, Request), Malformed>;
}

/// What travels with every message between peers.
///
/// # Errors
/// The field that is malformed.
pub fn envelope(wire: Option<wire::Envelope>) -> Result<Envelope, Malformed> {
    required(wire, "envelope")?.try_into()
}

macro_rules! bare {
    ($($message:ident => $request:expr),* $(,)?) => {
        $(impl Question for wire::$message {
            fn into_core(self) -> Result<(Envelope, Request), Malformed> {
                Ok((envelope(self.envelope)?, $request))
            }
        })*
    };
}

bare! {
    JoinRequest => Request::Join,
    NotifyRequest => Request::Notify,
    PokeRequest => Request::Poke,
    PingRequest => Request::Ping,
    LeaveRequest => Request::Leave,
    WithdrawRequest => Request::Withdraw,
}

impl Question for wire::StabilizeRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        Ok((envelope(self.envelope)?, Request::Stabilize { seen: self.seen }))
    }
}

impl Question for wire::NextHopRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        at_most(self.avoid.len(), MAX_AVOID, "avoid")?;
        let avoid = self.avoid.iter().map(|bytes| id(bytes, "avoid")).collect::<Result<Vec<Id>, _>>()?;
        let limit = (self.limit as usize).min(MAX_READ);
        let search = || Ok(Arc::new(required(self.search.clone(), "search")?.try_into()?));
        let read = match self.read() {
            wire::ReadKind::Unspecified => Read::Nothing,
            wire::ReadKind::Key => Read::Key(limit),
            wire::ReadKind::Range => Read::Range(limit),
            wire::ReadKind::Own => Read::Own(limit),
            wire::ReadKind::Copies => Read::Copies(limit),
            wire::ReadKind::Search => Read::Search(search()?),
            wire::ReadKind::SearchCopies => Read::SearchCopies(search()?),
        };
        let key = id(&self.key, "key")?;
        Ok((envelope(self.envelope)?, Request::NextHop { key, avoid, last: self.last, read }))
    }
}

fn wire_read(read: &Read) -> (wire::ReadKind, u32) {
    let limit = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    match read {
        Read::Nothing => (wire::ReadKind::Unspecified, 0),
        Read::Key(most) => (wire::ReadKind::Key, limit(*most)),
        Read::Range(most) => (wire::ReadKind::Range, limit(*most)),
        Read::Own(most) => (wire::ReadKind::Own, limit(*most)),
        Read::Copies(most) => (wire::ReadKind::Copies, limit(*most)),
        Read::Search(_) => (wire::ReadKind::Search, 0),
        Read::SearchCopies(_) => (wire::ReadKind::SearchCopies, 0),
    }
}

impl Question for wire::RenewRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let request = Request::Renew {
            services: self.services.unwrap_or_default().try_into()?,
            sequence: self.sequence,
            arcs: list(self.arcs, MAX_DIGESTS, "arcs")?,
            all: self.all,
        };
        Ok((envelope(self.envelope)?, request))
    }
}

impl Question for wire::PublishRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        at_most(self.keys.len(), MAX_KEYS, "keys")?;
        at_most(self.keys.iter().map(|key| key.entries.len()).sum(), MAX_ENTRIES, "keys.entries")?;
        let arc = (id(&self.from, "from")?, id(&self.to, "to")?);
        let key = |wire: wire::KeyEntries| {
            statement(&wire.key, wire.word, wire.total, wire.entries, "KeyEntries.entries")
        };
        let batch = Batch {
            services: self.services.unwrap_or_default().try_into()?,
            sequence: self.sequence,
            arc,
            replace: self.replace,
            keys: self.keys.into_iter().map(key).collect::<Result<_, _>>()?,
        };
        Ok((envelope(self.envelope)?, Request::Publish(Box::new(batch))))
    }
}

/// A peer of which a certain life is meant.
fn life(peer: Option<wire::Peer>, field: &'static str) -> Result<Peer, Malformed> {
    let peer: Peer = required(peer, field)?.try_into()?;
    if peer.incarnation == 0 {
        return Err(malformed(field, "its incarnation is 0"));
    }
    Ok(peer)
}

impl Question for wire::RelayRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let errand = match self.errand() {
            wire::Errand::Ping => Errand::Ping,
            wire::Errand::Stabilize => Errand::Stabilize,
            wire::Errand::Notify => Errand::Notify,
            wire::Errand::Unspecified => return Err(malformed("RelayRequest.errand", "it is unknown")),
        };
        let to = life(self.to, "RelayRequest.to")?;
        Ok((envelope(self.envelope)?, Request::Relay { to, errand }))
    }
}

impl Question for wire::RelayedRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let by = life(self.by, "RelayedRequest.by")?;
        let neighbors = self.neighbors.map(TryInto::try_into).transpose()?;
        Ok((envelope(self.envelope)?, Request::Relayed { by, neighbors }))
    }
}

impl Question for wire::NotifyForRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let peer = life(self.peer, "NotifyForRequest.peer")?;
        Ok((envelope(self.envelope)?, Request::NotifyFor(peer)))
    }
}

impl Question for wire::ReuniteRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let peer = required(self.peer, "ReuniteRequest.peer")?.try_into()?;
        Ok((envelope(self.envelope)?, Request::Reunite(peer)))
    }
}

impl Question for wire::GossipRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let news = list(self.news, MAX_NEWS, "GossipRequest.news")?;
        let request = Request::Gossip { digest: self.digest, news, compare: self.compare };
        Ok((envelope(self.envelope)?, request))
    }
}

impl Question for wire::ContactsRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        at_most(self.marks.len(), MAX_DIGESTS, "ContactsRequest.marks")?;
        let wire::ContactsRequest { wanted, parts, .. } = self;
        at_most(wanted.len(), MAX_PARTS, "ContactsRequest.wanted")?;
        if !parts.is_power_of_two() || parts as usize > MAX_PARTS {
            return Err(malformed(
                "ContactsRequest.parts",
                format!("{parts} is no power of two up to {MAX_PARTS}"),
            ));
        }
        Ok((envelope(self.envelope)?, Request::Contacts { wanted, parts, marks: self.marks }))
    }
}

impl Question for wire::MovedRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let arc = required(self.arc, "MovedRequest.arc")?.try_into()?;
        Ok((envelope(self.envelope)?, Request::Moved(arc)))
    }
}

impl Question for wire::HandOverRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let keys = || self.publishers.iter().flat_map(|kept| &kept.keys);
        at_most(keys().count(), MAX_KEYS, "publishers.keys")?;
        at_most(keys().map(|key| key.entries.len()).sum(), MAX_ENTRIES, "publishers.keys.entries")?;
        let done = match self.done {
            true => Some(HandedOver {
                arc: (id(&self.arc_from, "arc_from")?, id(&self.arc_to, "arc_to")?),
                complete: self.complete,
            }),
            false => None,
        };
        let publishers = list(self.publishers, MAX_KEYS, "publishers")?;
        Ok((envelope(self.envelope)?, Request::HandOver { publishers, done }))
    }
}

impl Question for wire::CompareRequest {
    fn into_core(self) -> Result<(Envelope, Request), Malformed> {
        let request = Request::Compare {
            arc: (id(&self.arc_from, "arc_from")?, id(&self.arc_to, "arc_to")?),
            complete: self.complete,
            publishers: list(self.publishers, MAX_DIGESTS, "publishers")?,
        };
        Ok((envelope(self.envelope)?, request))
    }
}
