//! Who may hold a connection: each listener has so many places, and so many for one address. When all are taken, a
//! newcomer gets one by max-min fairness: whoever holds the most gives one up, an idle connection before a busy one,
//! that which has been so for the longest first. So a flood of connections only displaces itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;

use super::{Counts, Source};

/// The places of one listener. Clones share them.
#[derive(Debug, Clone)]
pub struct Places {
    table: Arc<Mutex<Table>>,
    most: usize,
    most_of_one: usize,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Table {
    taken: usize,
    /// Grows with every change: what has a smaller number has been so for longer.
    clock: u64,
    holders: HashMap<Source, Holder>,
    /// All holders, the greediest last, and of several the one with the connection that is idle for longest.
    ranks: BTreeSet<Rank>,
}

/// How many places, since when its oldest idle one is idle, whose.
type Rank = (usize, Reverse<u64>, Source);

#[derive(Debug, Default)]
struct Holder {
    idle: BTreeMap<u64, Arc<Seat>>,
    busy: BTreeMap<u64, Arc<Seat>>,
}

/// One connection, as the table knows it. Its numbers change under the table's lock only.
#[derive(Debug)]
struct Seat {
    source: Source,
    since: AtomicU64,
    requests: AtomicUsize,
    gone: AtomicBool,
    connection: AtomicWaker,
}

/// A connection's place; free again when this is dropped.
#[derive(Debug)]
pub struct Place(Visit);

/// A place, as the requests of its connection know it.
#[derive(Debug, Clone)]
pub struct Visit {
    table: Arc<Mutex<Table>>,
    seat: Arc<Seat>,
}

/// A request that is being served: its connection is not idle.
#[derive(Debug)]
pub struct Busy(Visit);

impl Places {
    /// So many places for all, and for one address.
    pub fn new((most, most_of_one): (usize, usize), counts: Counts) -> Places {
        Places { table: Arc::default(), most: most.max(1), most_of_one: most_of_one.max(1), counts }
    }

    /// A place for a connection from `address`, where need be that of another one, which is told so.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let source = Source::from(address);
        let mut table = lock(&self.table);
        let held = table.holders.get(&source).map_or(0, Holder::held);
        if table.taken >= self.most || held >= self.most_of_one {
            let Some(victim) = table.victim(source, held < self.most_of_one) else {
                self.counts.refused.inc();
                return None;
            };
            table.remove(&victim);
            victim.connection.wake();
            self.counts.evicted.inc();
        }
        let since = table.tick();
        let seat = Arc::new(Seat {
            source,
            since: since.into(),
            requests: 0.into(),
            gone: false.into(),
            connection: AtomicWaker::new(),
        });
        table.taken += 1;
        table.change(source, |holder| holder.idle.insert(since, seat.clone()));
        Some(Place(Visit { table: self.table.clone(), seat }))
    }
}

impl Table {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Changes a holder, and its rank with it.
    fn change<T>(&mut self, source: Source, change: impl FnOnce(&mut Holder) -> T) -> T {
        let holder = self.holders.entry(source).or_default();
        self.ranks.remove(&holder.rank(source));
        let outcome = change(holder);
        if holder.held() == 0 {
            self.holders.remove(&source);
        } else {
            self.ranks.insert(holder.rank(source));
        }
        outcome
    }

    /// Whose place a newcomer from `source` takes, perhaps that of another source; none: it is itself the one to go.
    fn victim(&self, source: Source, of_another: bool) -> Option<Arc<Seat>> {
        let own = self.holders.get(&source);
        let held = own.map_or(0, Holder::held);
        let (most, _, greediest) = *self.ranks.last()?;
        let greediest = self.holders.get(&greediest)?;
        if of_another && held + 1 < most {
            return greediest.idle.values().chain(greediest.busy.values()).next().cloned();
        }
        // It would only change places with the greediest: not at the cost of a request.
        let from = if of_another && held < most { Some(greediest) } else { own };
        from.and_then(|holder| holder.idle.values().next().cloned())
    }

    fn remove(&mut self, seat: &Seat) {
        if seat.gone.swap(true, Relaxed) {
            return;
        }
        self.taken -= 1;
        self.change(seat.source, |holder| holder.take_out(seat));
    }
}

impl Holder {
    fn held(&self) -> usize {
        self.idle.len() + self.busy.len()
    }

    fn rank(&self, source: Source) -> Rank {
        let idle = self.idle.keys().next().copied();
        (self.held(), Reverse(idle.unwrap_or(u64::MAX)), source)
    }

    fn take_out(&mut self, seat: &Seat) -> Option<Arc<Seat>> {
        let kind = if seat.requests.load(Relaxed) == 0 { &mut self.idle } else { &mut self.busy };
        kind.remove(&seat.since.load(Relaxed))
    }
}

impl Place {
    /// For the requests of the connection.
    pub fn visit(&self) -> Visit {
        self.0.clone()
    }

    /// Ready once the place is somebody else's, and this connection has to close. Wakes the task that asked last.
    pub fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        let seat = &self.0.seat;
        if !seat.gone.load(Relaxed) {
            seat.connection.register(cx.waker());
        }
        // Once more: it may have been taken in between.
        if seat.gone.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until the place is somebody else's.
    pub async fn lost(&self) {
        poll_fn(|cx| self.poll_lost(cx)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.table).remove(&self.0.seat);
    }
}

impl Visit {
    /// Whose connection it is.
    pub fn source(&self) -> Source {
        self.seat.source
    }

    /// A request begins; it ends when the guard is dropped.
    pub fn begin(&self) -> Busy {
        let mut table = lock(&self.table);
        table.requests(&self.seat, |requests| requests + 1);
        Busy(self.clone())
    }
}

impl Table {
    /// Changes how many requests are open, and with that perhaps whether the connection is idle.
    fn requests(&mut self, seat: &Seat, change: impl FnOnce(usize) -> usize) {
        let before = seat.requests.load(Relaxed);
        let after = change(before);
        if seat.gone.load(Relaxed) || (before == 0) == (after == 0) {
            seat.requests.store(after, Relaxed);
            return;
        }
        let now = self.tick();
        self.change(seat.source, |holder| {
            let Some(own) = holder.take_out(seat) else { return };
            seat.requests.store(after, Relaxed);
            seat.since.store(now, Relaxed);
            let kind = if after == 0 { &mut holder.idle } else { &mut holder.busy };
            kind.insert(now, own);
        });
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Busy(visit) = self;
        lock(&visit.table).requests(&visit.seat, |requests| requests.saturating_sub(1));
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many places, which one address may have alone.
    fn places(most: usize) -> Places {
        Places::new((most, most), Counts::default())
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn lost(place: &Place) -> bool {
        place.0.seat.gone.load(Relaxed)
    }

    #[test]
    fn a_flood_displaces_only_itself() {
        let places = places(8);
        let honest: Vec<Place> = (1..=3).map(|host| places.take(address(host)).unwrap()).collect();
        let flood: Vec<Place> = (0..1000).map(|_| places.take(address(66)).unwrap()).collect();
        assert!(honest.iter().all(|place| !lost(place)));
        assert_eq!(flood.iter().filter(|place| !lost(place)).count(), 5);
        assert!(flood[995..].iter().all(|place| !lost(place)), "those that were idle for longest go first");
        // Whoever comes now takes one of the flood's.
        let late: Vec<Place> = (4..=6).map(|host| places.take(address(host)).unwrap()).collect();
        assert!(honest.iter().chain(&late).all(|place| !lost(place)));
        assert_eq!(flood.iter().filter(|place| !lost(place)).count(), 2);
        assert_eq!(places.counts.evicted.get(), 998);
    }

    #[test]
    fn one_address_has_its_own_bound_even_where_places_are_free() {
        let places = Places::new((8, 4), Counts::default());
        let flood: Vec<Place> = (0..10).map(|_| places.take(address(66)).unwrap()).collect();
        assert_eq!(flood.iter().filter(|place| !lost(place)).count(), 4);
        let busy: Vec<Busy> = flood[6..].iter().map(|place| place.visit().begin()).collect();
        assert!(places.take(address(66)).is_none() && places.take(address(1)).is_some());
        drop(busy);
    }

    #[test]
    fn an_idle_connection_goes_before_a_busy_one() {
        let places = places(4);
        let held: Vec<Place> = (0..4).map(|_| places.take(address(1)).unwrap()).collect();
        let busy: Vec<Busy> = [0, 1, 3].iter().map(|&at: &usize| held[at].visit().begin()).collect();
        let second = places.take(address(2)).unwrap();
        assert!(lost(&held[2]) && !lost(&held[0]));
        // All are busy: the one that has been so for longest.
        let third = places.take(address(3)).unwrap();
        assert!(lost(&held[0]) && !lost(&held[1]) && !lost(&second) && !lost(&third));
        // A request that has ended makes its connection idle from now on.
        drop(busy);
        let fourth = places.take(address(1)).unwrap();
        assert!(lost(&held[1]) && !lost(&held[3]) && !lost(&fourth));
    }

    #[test]
    fn who_holds_the_most_is_refused_where_all_of_it_is_busy() {
        let places = places(2);
        let held: Vec<Place> = (0..2).map(|_| places.take(address(1)).unwrap()).collect();
        let busy: Vec<Busy> = held.iter().map(|place| place.visit().begin()).collect();
        assert!(places.take(address(1)).is_none());
        assert_eq!(places.counts.refused.get(), 1);
        let other = places.take(address(2)).unwrap();
        assert!(lost(&held[0]) && !lost(&held[1]));
        // One each: no request ends for a third, but an idle connection makes room.
        let third = places.take(address(3)).unwrap();
        assert!(lost(&other) && !lost(&held[1]));
        let request = third.visit().begin();
        assert!(places.take(address(4)).is_none());
        drop((busy, request));
        assert!(places.take(address(4)).is_some());
    }

    #[test]
    fn places_come_back_and_nothing_is_left_behind() {
        let places = places(2);
        for _ in 0..3 {
            let first = places.take(address(1)).unwrap();
            let request = first.visit().begin();
            let second = places.take(address(2)).unwrap();
            drop((first, second));
            drop(request);
        }
        let table = lock(&places.table);
        assert_eq!((table.taken, table.holders.len(), table.ranks.len()), (0, 0, 0));
        assert_eq!((places.counts.evicted.get(), places.counts.refused.get()), (0, 0));
    }

    #[tokio::test]
    async fn who_lost_its_place_is_told() {
        let places = places(1);
        let first = Arc::new(places.take(address(1)).unwrap());
        let told = tokio::spawn({
            let first = first.clone();
            async move { first.lost().await }
        });
        tokio::task::yield_now().await;
        let _second = places.take(address(1)).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(20), told).await.expect("it is told").unwrap();
    }
}
