//! The publisher's side of the protocol: placing keys, sending entries, renewing leases.

use super::{ArcAnswer, ArcDigest, KeptArc, Sent};
use crate::interface::{Output, Status, Why};
use crate::message::{Outcome, Request, Response};
use crate::{Node, Peer, Services};

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
        let response = match request {
            Request::Renew { services, sequence, arcs, all } => {
                self.serve_renew(&me, &services, sequence, &arcs, all)
            }
            Request::Publish(batch) => {
                self.keeper.publish(&me, &batch);
                Response::Published(self.kept_arc())
            }
            _ => return,
        };
        self.publisher.acknowledge(me.id, sent, response);
    }

    pub(crate) fn on_published(&mut self, from: Peer, sent: Sent, outcome: Outcome, out: &mut Vec<Output>) {
        match outcome {
            Outcome::Answer(response) => self.publisher.acknowledge(from.id, sent, response),
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
        let owner = |arc: &ArcDigest| (arc.to == own.1).then(|| self.kept_arc());
        let answer = |(arc, same): (&ArcDigest, bool)| ArcAnswer { same, owner: owner(arc) };
        Response::Renewed(arcs.iter().zip(same).map(answer).collect())
    }

    /// The own arc, and who keeps it.
    pub(crate) fn kept_arc(&self) -> KeptArc {
        let copies = self.successors.as_slice().iter().take(self.config.replicas - 1);
        KeptArc { from: self.arc_from(), keepers: std::iter::once(&self.me).chain(copies).cloned().collect() }
    }
}
