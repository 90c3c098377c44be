//! The publisher's side of the protocol: placing keys, sending entries, renewing leases.

use super::{ArcAnswer, ArcDigest, Sent};
use crate::interface::{Output, Status, Why};
use crate::message::{Outcome, Request, Response};
use crate::{Id, Node, Peer, Services};

impl Node {
    /// Does what there is to do for the own entries. Called whenever something has changed.
    pub(crate) fn drive_publisher(&mut self, out: &mut Vec<Output>) {
        if self.status != Status::Member || !self.watching {
            return;
        }
        if !self.placing
            && let Some(key) = self.publisher.unplaced()
        {
            self.placing = true;
            self.place_key(key, out);
        }
        let (renewal, batch) = (self.config.renewal(), self.config.batch);
        while let Some((to, request, sent)) = self.publisher.next_message(&self.services, renewal, batch) {
            if to.id == self.me.id {
                self.publish_here(request, sent);
            } else {
                self.call(to, request, Why::Publish(sent), out);
            }
        }
    }

    /// This peer is one of the keepers of its own entries.
    fn publish_here(&mut self, request: Request, sent: Sent) {
        let me = self.me.clone();
        let answers = match request {
            Request::Renew { services, sequence, arcs, all } => {
                match self.serve_renew(&me, &services, sequence, &arcs, all) {
                    Response::Renewed(answers) => answers,
                    _ => Vec::new(),
                }
            }
            Request::Publish(batch) => {
                self.keeper.publish(&me, &batch);
                vec![ArcAnswer { same: true, owner: Some(self.own_arc()) }]
            }
            _ => Vec::new(),
        };
        self.publisher.acknowledge(me.id, sent, &answers);
    }

    pub(crate) fn on_published(&mut self, from: Peer, sent: Sent, outcome: Outcome, out: &mut Vec<Output>) {
        match outcome {
            Outcome::Answer(Response::Renewed(answers)) => {
                self.publisher.acknowledge(from.id, sent, &answers)
            }
            Outcome::Answer(Response::Published { arc_from, keepers }) => {
                let answer = ArcAnswer { same: true, owner: Some((arc_from, keepers)) };
                self.publisher.acknowledge(from.id, sent, &[answer])
            }
            Outcome::Answer(_) => self.publisher.acknowledge(from.id, sent, &[]),
            _ => self.publisher.fail(from.id),
        }
        self.drive_publisher(out);
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
        let same = self.keeper.renew(from, services, sequence, arcs, all.then_some(own));
        let owner = || self.own_arc();
        let answer =
            |(arc, same): (&ArcDigest, bool)| ArcAnswer { same, owner: (arc.to == own.1).then(owner) };
        Response::Renewed(arcs.iter().zip(same).map(answer).collect())
    }

    /// Where the own arc starts, and who keeps it.
    pub(crate) fn own_arc(&self) -> (Id, Vec<Peer>) {
        let copies = self.successors.as_slice().iter().take(self.config.replicas - 1);
        (self.arc_from(), std::iter::once(&self.me).chain(copies).cloned().collect())
    }
}
