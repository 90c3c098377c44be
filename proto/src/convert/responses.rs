//! The answers of peers to each other, both ways.

use chord::{Id, Miss, NotAdmitted, Ownership, Peer, Response};

use super::peers::{wire_news, wire_peers};
use super::{
    MAX_DIGESTS, MAX_NEWS, MAX_PARTS, MAX_PEERS, Malformed, at_most, bytes, id, list, malformed, required,
};
use crate::chord_v1 as wire;

/// The core's answer does not belong to the question that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not belong to the question")]
pub struct Mismatch;

/// A response message of one peer to another.
pub trait Answer: Sized {
    /// The message with which `me` answers.
    ///
    /// # Errors
    /// The answer belongs to another question.
    fn of(response: Response, me: &Peer) -> Result<Self, Mismatch>;

    /// What the answer says and, where the message tells, who gave it.
    ///
    /// # Errors
    /// The first field that is malformed.
    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed>;
}

macro_rules! done {
    ($($message:ident),* $(,)?) => {
        $(impl Answer for wire::$message {
            fn of(response: Response, _: &Peer) -> Result<Self, Mismatch> {
                matches!(response, Response::Done).then_some(wire::$message {}).ok_or(Mismatch)
            }

            fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
                Ok((Response::Done, None))
            }
        })*
    };
}

done!(
    NotifyResponse,
    PokeResponse,
    ReuniteResponse,
    RelayResponse,
    RelayedResponse,
    NotifyForResponse,
    LeaveResponse,
    MovedResponse,
    WithdrawResponse,
    HandOverResponse
);

fn responder(wire: Option<wire::Peer>) -> Result<Option<Peer>, Malformed> {
    let peer: Peer = required(wire, "responder")?.try_into()?;
    if peer.incarnation == 0 {
        return Err(malformed("responder", "its incarnation is 0"));
    }
    Ok(Some(peer))
}

impl Answer for wire::JoinResponse {
    fn of(response: Response, me: &Peer) -> Result<Self, Mismatch> {
        use wire::join_response::Answer;
        let answer = match response {
            // The asker asked itself.
            Response::Done => None,
            Response::Neighbors(neighbors) => Some(Answer::Neighbors(neighbors.into())),
            Response::Closer { peers, .. } => Some(Answer::Closer(wire::Peers { peers: wire_peers(peers) })),
            Response::Joining(peers) => Some(Answer::Joining(wire::Peers { peers: wire_peers(peers) })),
            Response::NotAdmitted(why) => Some(Answer::NotAdmitted(why.into())),
            _ => return Err(Mismatch),
        };
        Ok(wire::JoinResponse { answer, responder: Some(me.clone().into()) })
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        use wire::join_response::Answer;
        let response = match self.answer {
            None => Response::Done,
            Some(Answer::Neighbors(neighbors)) => Response::Neighbors(neighbors.try_into()?),
            Some(Answer::Closer(closer)) => {
                Response::Closer { peers: list(closer.peers, MAX_PEERS, "closer.peers")?, last: false }
            }
            // All joining peers that are known, and the one asked.
            Some(Answer::Joining(joining)) => {
                Response::Joining(list(joining.peers, MAX_PEERS + 1, "joining.peers")?)
            }
            Some(Answer::NotAdmitted(why)) => Response::NotAdmitted(why.try_into()?),
        };
        Ok((response, responder(self.responder)?))
    }
}

impl Answer for wire::GossipResponse {
    fn of(response: Response, _: &Peer) -> Result<Self, Mismatch> {
        match response {
            Response::Gossip { digest, news, digests } => {
                Ok(wire::GossipResponse { digest, news: wire_news(news), digests })
            }
            _ => Err(Mismatch),
        }
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        at_most(self.digests.len(), MAX_PARTS, "GossipResponse.digests")?;
        let news = list(self.news, MAX_NEWS, "GossipResponse.news")?;
        Ok((Response::Gossip { digest: self.digest, news, digests: self.digests }, None))
    }
}

impl Answer for wire::ContactsResponse {
    fn of(response: Response, _: &Peer) -> Result<Self, Mismatch> {
        match response {
            Response::Contacts(news) => Ok(wire::ContactsResponse { news: wire_news(news) }),
            _ => Err(Mismatch),
        }
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        Ok((Response::Contacts(list(self.news, MAX_NEWS, "ContactsResponse.news")?), None))
    }
}

impl From<NotAdmitted> for wire::NotAdmitted {
    fn from(why: NotAdmitted) -> wire::NotAdmitted {
        use wire::not_admitted::Reason;
        let reason = match why {
            NotAdmitted::Unreachable(Miss::Refused) => Reason::Unreachable(wire::Miss::Refused.into()),
            NotAdmitted::Unreachable(Miss::Silent) => Reason::Unreachable(wire::Miss::Silent.into()),
            NotAdmitted::Unreachable(Miss::Foreign) => Reason::Unreachable(wire::Miss::Foreign.into()),
            NotAdmitted::Taken(peer) => Reason::Taken(peer.into()),
            NotAdmitted::Outdated(latest) => Reason::Outdated(latest),
        };
        wire::NotAdmitted { reason: Some(reason) }
    }
}

impl TryFrom<wire::NotAdmitted> for NotAdmitted {
    type Error = Malformed;

    fn try_from(why: wire::NotAdmitted) -> Result<NotAdmitted, Malformed> {
        use wire::not_admitted::Reason;
        Ok(match required(why.reason, "NotAdmitted.reason")? {
            Reason::Unreachable(miss) => NotAdmitted::Unreachable(match wire::Miss::try_from(miss) {
                Ok(wire::Miss::Refused) => Miss::Refused,
                Ok(wire::Miss::Silent) => Miss::Silent,
                Ok(wire::Miss::Foreign) => Miss::Foreign,
                Ok(wire::Miss::Unspecified) | Err(_) => {
                    return Err(malformed("NotAdmitted.unreachable", "it is none that is known"));
                }
            }),
            Reason::Taken(peer) => NotAdmitted::Taken(peer.try_into()?),
            Reason::Outdated(latest) => NotAdmitted::Outdated(latest),
        })
    }
}

impl Answer for wire::StabilizeResponse {
    fn of(response: Response, _: &Peer) -> Result<Self, Mismatch> {
        match response {
            Response::Neighbors(neighbors) => {
                Ok(wire::StabilizeResponse { neighbors: Some(neighbors.into()) })
            }
            Response::Unchanged => Ok(wire::StabilizeResponse { neighbors: None }),
            _ => Err(Mismatch),
        }
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        let response = match self.neighbors {
            Some(neighbors) => Response::Neighbors(neighbors.try_into()?),
            None => Response::Unchanged,
        };
        Ok((response, None))
    }
}

impl Answer for wire::PublishResponse {
    fn of(response: Response, _: &Peer) -> Result<Self, Mismatch> {
        match response {
            Response::Published(arc) => Ok(wire::PublishResponse { arc: Some(arc.into()), full: 0 }),
            Response::Full(full) => Ok(wire::PublishResponse { arc: None, full }),
            _ => Err(Mismatch),
        }
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        if self.full > 0 {
            return Ok((Response::Full(self.full), None));
        }
        Ok((Response::Published(required(self.arc, "PublishResponse.arc")?.try_into()?), None))
    }
}

impl Answer for wire::PingResponse {
    fn of(response: Response, me: &Peer) -> Result<Self, Mismatch> {
        match response {
            Response::Done => Ok(wire::PingResponse { responder: Some(me.clone().into()) }),
            _ => Err(Mismatch),
        }
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        Ok((Response::Done, responder(self.responder)?))
    }
}

impl Answer for wire::NextHopResponse {
    fn of(response: Response, me: &Peer) -> Result<Self, Mismatch> {
        use wire::next_hop_response::Answer;
        let answer = match response {
            Response::Closer { peers, last } => {
                Answer::Closer(wire::Closer { peers: wire_peers(peers), last })
            }
            Response::Owner(ownership) => Answer::Owner((*ownership).into()),
            Response::Reading(reading) => Answer::Reading(reading.into()),
            _ => return Err(Mismatch),
        };
        Ok(wire::NextHopResponse { answer: Some(answer), responder: Some(me.clone().into()) })
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        use wire::next_hop_response::Answer;
        let response = match required(self.answer, "answer")? {
            Answer::Closer(closer) => {
                Response::Closer { peers: list(closer.peers, MAX_PEERS, "closer.peers")?, last: closer.last }
            }
            Answer::Owner(owner) => Response::Owner(Box::new(owner.try_into()?)),
            Answer::Reading(reading) => Response::Reading(reading.try_into()?),
        };
        Ok((response, responder(self.responder)?))
    }
}

impl From<Ownership> for wire::Owner {
    fn from(ownership: Ownership) -> wire::Owner {
        wire::Owner {
            owner: Some(ownership.owner.into()),
            arc_from: bytes(ownership.arc_from),
            keepers: wire_peers(ownership.keepers),
            reading: Some(ownership.reading.into()),
        }
    }
}

impl TryFrom<wire::Owner> for Ownership {
    type Error = Malformed;

    fn try_from(owner: wire::Owner) -> Result<Ownership, Malformed> {
        Ok(Ownership {
            owner: required(owner.owner, "Owner.owner")?.try_into()?,
            arc_from: id(&owner.arc_from, "Owner.arc_from")?,
            keepers: list(owner.keepers, MAX_PEERS, "Owner.keepers")?,
            reading: owner.reading.unwrap_or_default().try_into()?,
        })
    }
}

impl Answer for wire::RenewResponse {
    fn of(response: Response, _: &Peer) -> Result<Self, Mismatch> {
        match response {
            Response::Renewed(arcs) => {
                Ok(wire::RenewResponse { arcs: arcs.into_iter().map(Into::into).collect() })
            }
            _ => Err(Mismatch),
        }
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        Ok((Response::Renewed(list(self.arcs, MAX_DIGESTS, "arcs")?), None))
    }
}

impl Answer for wire::CompareResponse {
    fn of(response: Response, _: &Peer) -> Result<Self, Mismatch> {
        match response {
            Response::Wanted(ids) => {
                Ok(wire::CompareResponse { wanted: ids.into_iter().map(bytes).collect() })
            }
            _ => Err(Mismatch),
        }
    }

    fn into_core(self) -> Result<(Response, Option<Peer>), Malformed> {
        at_most(self.wanted.len(), MAX_DIGESTS, "wanted")?;
        let wanted = self.wanted.iter().map(|bytes| id(bytes, "wanted")).collect::<Result<Vec<Id>, _>>()?;
        Ok((Response::Wanted(wanted), None))
    }
}
