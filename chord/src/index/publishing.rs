//! The publisher's side of the protocol: placing keys, sending entries, renewing leases.

use std::time::Duration;

use super::{ArcAnswer, ArcDigest, Batch, KeptArc, Sent, Verdict};
use crate::interface::{Event, Output, Status, Timer, Why};
use crate::message::{Outcome, Request, Response};
use crate::{Node, Peer, Services};

/// When the next message to this peer itself is due: others are served in between.
const SOON: Duration = Duration::from_millis(1);

impl Node {
    /// Does what there is to do for the own entries. Called whenever something has changed.
    pub(crate) fn drive_publisher(&mut self, out: &mut Vec<Output>) {
        // Whoever is told too early which arcs it keeps drops what it has of the others.
        let knows_successors = self.followed || self.successors.first().is_none();
        if self.status != Status::Member || !self.watching || !knows_successors {
            return;
        }
        if !self.placing
            && let Some(key) = self.publisher.unplaced()
        {
            self.placing = true;
            self.place_key(key, out);
        }
        let (renewal, batch) = (self.config.renewal(), self.config.batch);
        let mut here = None;
        while let Some((to, request, sent)) =
            self.publisher.next_message(&self.services, renewal, batch, here)
        {
            if to.id == self.me.id {
                // One at a time, as with all others: a large folder must not hold up the ring.
                here = Some(self.me.id);
                self.publish_here(request, sent);
                out.push(Output::SetTimer { timer: Timer::Publish, after: SOON..SOON * 2 });
            } else {
                self.call(to, request, Why::Publish(sent), out);
            }
        }
    }

    /// This peer is one of the keepers of its own entries.
    fn publish_here(&mut self, request: Request, sent: Sent) {
        let me = self.me.clone();
        let response = match request {
            Request::Renew { services, sequence, arcs, all } => {
                self.serve_renew(&me, &services, sequence, &arcs, all)
            }
            Request::Publish(batch) => self.serve_publish(&me, &batch),
            _ => return,
        };
        self.publisher.acknowledge(me.id, sent, response, self.config.batch);
    }

    pub(crate) fn on_published(&mut self, from: Peer, sent: Sent, outcome: Outcome, out: &mut Vec<Output>) {
        match outcome {
            Outcome::Answer(response) => {
                if let Response::Full(most) = response {
                    out.push(Output::Event(Event::Full(from.clone(), most)));
                }
                self.publisher.acknowledge(from.id, sent, response, self.config.batch);
            }
            Outcome::Busy => self.publisher.back_off(from.id),
            _ => self.publisher.fail(from.id),
        }
        self.drive_publisher(out);
    }

    pub(crate) fn serve_publish(&mut self, from: &Peer, batch: &Batch) -> Response {
        match self.keeper.publish(from, batch, self.config.room) {
            Ok(()) => Response::Published(self.kept_arc()),
            Err(most) => Response::Full(most),
        }
    }

    pub(crate) fn serve_renew(
        &mut self,
        from: &Peer,
        services: &Services,
        sequence: u64,
        arcs: &[ArcDigest],
        all: bool,
    ) -> Response {
        let own = (self.arc_from(), self.me.id);
        let verdicts = self.keeper.renew(from, services, sequence, arcs);
        let dropped =
            if all { self.keeper.confine(from, sequence, arcs, own, self.config.lease) } else { Vec::new() };
        // Others keep those arcs now, and this peer is not told of changes there.
        if dropped.iter().any(|key| self.is_complete_for(*key)) {
            self.complete = Some(own.0);
        }
        let owner = |arc: &ArcDigest| (arc.to == own.1).then(|| self.kept_arc());
        let answer = |(arc, verdict): (&ArcDigest, Verdict)| ArcAnswer { verdict, owner: owner(arc) };
        Response::Renewed(arcs.iter().zip(verdicts).map(answer).collect())
    }

    /// The own arc, and who keeps it.
    pub(crate) fn kept_arc(&self) -> KeptArc {
        let copies = self.successors.as_slice().iter().take(self.config.replicas - 1);
        KeptArc { from: self.arc_from(), keepers: std::iter::once(&self.me).chain(copies).cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{ArcDigest, Batch, File, Statement, Text};
    use crate::{Config, Id};

    fn peer(number: u64) -> Peer {
        Peer { id: Id::from(number), incarnation: 1, address: number.to_string().into(), name: "".into() }
    }

    #[test]
    fn who_keeps_an_arc_no_longer_for_a_publisher_does_not_vouch_for_it() {
        let mut node = Node::new(peer(30), Services::default(), Config::default());
        node.status = Status::Member;
        node.predecessor = Some(peer(20));
        node.successors.adopt(&peer(10), &[peer(20)]);
        node.complete = Some(Id::from(10));
        let (text, name) = (Text::default(), "f");
        let file = File { name: name.into(), path: name.into(), size: 1, modified_ms: 0, digest: None, text };
        let statement = |key: u64| Statement { key: Id::from(key), ..Statement::of_name(file.clone()) };
        let batch = Batch {
            services: Services::default(),
            sequence: 1,
            arc: (Id::from(10), Id::from(30)),
            replace: false,
            keys: [15, 25].map(statement).to_vec(),
        };
        node.serve_publish(&peer(5), &batch);
        let mut renew = |all| {
            let digest = statement(25).digest();
            let arcs = [ArcDigest { from: Id::from(20), to: Id::from(30), digest }];
            node.serve_renew(&peer(5), &Services::default(), 1, &arcs, all);
            (node.is_complete_for(Id::from(15)), node.is_complete_for(Id::from(25)))
        };
        assert_eq!(renew(false), (true, true));
        assert_eq!(renew(true), (false, true), "15 is kept by others now");
    }
}
