//! How long messages are on the wire, by the kind of call.

use chord::{Envelope, Peer, Request, Response};
use prost::Message;

use super::{Answer, Outgoing};
use crate::chord_v1 as wire;

macro_rules! kinds {
    ($($kind:ident => $response:ident),* $(,)?) => {
        /// What a call between peers is for: a method of ChordService or IndexService.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum Kind {
            $($kind),*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Its name, as the .proto files have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => stringify!($kind)),*
                }
            }

            /// The bytes of `me`'s answer to such a call, as protobuf; none where it answers no such call.
            pub fn answer_len(self, response: Response, me: &Peer) -> Option<usize> {
                match self {
                    $(Kind::$kind => wire::$response::of(response, me).ok().map(|answer| answer.encoded_len())),*
                }
            }
        }

        impl Outgoing {
            /// The bytes of the message, as protobuf.
            pub fn encoded_len(&self) -> usize {
                match self {
                    $(Outgoing::$kind(message) => message.encoded_len()),*
                }
            }
        }
    };
}

kinds! {
    Join => JoinResponse,
    Stabilize => StabilizeResponse,
    Notify => NotifyResponse,
    Poke => PokeResponse,
    Reunite => ReuniteResponse,
    Gossip => GossipResponse,
    Contacts => ContactsResponse,
    Ping => PingResponse,
    Leave => LeaveResponse,
    NextHop => NextHopResponse,
    Renew => RenewResponse,
    Publish => PublishResponse,
    Moved => MovedResponse,
    Withdraw => WithdrawResponse,
    HandOver => HandOverResponse,
    Compare => CompareResponse,
}

impl From<&Request> for Kind {
    fn from(request: &Request) -> Kind {
        match request {
            Request::Join => Kind::Join,
            Request::Stabilize { .. } => Kind::Stabilize,
            Request::Notify => Kind::Notify,
            Request::Poke => Kind::Poke,
            Request::Reunite(_) => Kind::Reunite,
            Request::Gossip { .. } => Kind::Gossip,
            Request::Contacts { .. } => Kind::Contacts,
            Request::Ping => Kind::Ping,
            Request::Leave => Kind::Leave,
            Request::NextHop { .. } => Kind::NextHop,
            Request::Renew { .. } => Kind::Renew,
            Request::Publish(_) => Kind::Publish,
            Request::Moved(_) => Kind::Moved,
            Request::Withdraw => Kind::Withdraw,
            Request::HandOver { .. } => Kind::HandOver,
            Request::Compare { .. } => Kind::Compare,
        }
    }
}

/// The bytes of a request in its envelope, as protobuf.
pub fn request_len(envelope: &Envelope, request: &Request) -> usize {
    Outgoing::new(envelope.clone(), request.clone()).encoded_len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_encoded_messages() {
        let peer = Peer { incarnation: 7, ..Peer::stranger("10.0.0.1:7300") };
        let node = chord::Node::new(peer.clone(), chord::Services::default(), chord::Config::default());
        let envelope = node.envelope(&peer);
        let message = wire::PingRequest { envelope: Some(envelope.clone().into()) };
        assert_eq!(request_len(&envelope, &Request::Ping), message.encode_to_vec().len());
        let answer = wire::PingResponse { responder: Some(peer.clone().into()) };
        assert_eq!(Kind::Ping.answer_len(Response::Done, &peer), Some(answer.encode_to_vec().len()));
        assert_eq!(Kind::Notify.answer_len(Response::Done, &peer), Some(0));
        assert_eq!(Kind::Notify.answer_len(Response::Unchanged, &peer), None);
    }
}
