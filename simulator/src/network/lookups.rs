//! Lookups at peers, and how they ended.

use std::time::Duration;

use chord::index::Reading;
use chord::{Found, Id, Input, Lost, Read, Ticket};

use super::{Ended, Network};

/// What a lookup is given.
const WITHIN: Duration = Duration::from_secs(10);

impl Network {
    /// Starts a lookup at a peer; [`result`](Self::result) has its end.
    pub fn look_up(&mut self, host: usize, key: Id, read: Read) -> Ticket {
        self.look_up_within(host, key, read, WITHIN)
    }

    /// The same, with another deadline.
    pub fn look_up_within(&mut self, host: usize, key: Id, read: Read, within: Duration) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.note_asked(ticket, host, read.clone());
        self.note_question(ticket, host, &read);
        self.input(host, Input::Lookup { ticket, key, read, within });
        ticket
    }

    pub(super) fn conclude(&mut self, ticket: Ticket, outcome: Result<Found, Lost>) {
        self.judge(ticket, &outcome);
        self.judge_claims(ticket, &outcome);
        self.results.insert(ticket, Ended { at: self.now, result: outcome });
    }

    /// How a lookup ended, once it has.
    pub fn result(&self, ticket: Ticket) -> Option<&Result<Found, Lost>> {
        self.results.get(&ticket).map(|ended| &ended.result)
    }

    /// Looks a name up at a peer and waits for the answer.
    ///
    /// # Errors
    /// Why the lookup failed.
    ///
    /// # Panics
    /// Where neither came within its deadline.
    pub fn find(&mut self, host: usize, name: &str) -> Result<Reading, Lost> {
        let ticket = self.look_up(host, Id::of(name.as_bytes()), Read::Key(100));
        let limit = WITHIN + Duration::from_secs(2);
        self.until("the lookup's end", limit, |network| network.result(ticket).is_some());
        self.results[&ticket].result.clone().map(|found| found.reading)
    }
}
