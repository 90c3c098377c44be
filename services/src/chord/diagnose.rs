//! Diagnose: facts about this peer's addresses, about the machine that it runs on, and whether others reach it. What
//! they mean is judged by who asks.

mod dial;
mod dial_back;
mod limits;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chord_client::{Address, reach, rest};
use chordial_proto::chord_v1::{
    Advertisement, AskedPeer, Candidate, DiagnoseResponse, Reach, ReachState, ServiceAddress,
};
use futures::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tonic::Status;

use super::{exhausted, stopped};
use crate::advertise::Advertised;
use crate::calls::POOL;
use crate::config::{HostPort, PeerConfig, Service};
use crate::driver::{Handle, Snapshot};
pub(super) use dial_back::DialBacks;

/// Peers of the ring that are asked besides the friends.
const OTHERS: usize = 5;
/// Deadline of one connection with its first answer.
const ONE: Duration = Duration::from_secs(1);
/// Deadline of all.
const ALL: Duration = Duration::from_secs(5);
/// Between two diagnoses.
const PAUSE: Duration = Duration::from_secs(1);
/// Files of a process that are no connections of others: its logs, its state, the system's.
const OTHER_FILES: usize = 64;

/// What is known from the start on of how this peer was set up.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    advertisement: Advertisement,
    services: Vec<ServiceFacts>,
    /// Keys of the configuration, with the friends there.
    friends: Vec<(&'static str, HostPort)>,
    directory: PathBuf,
    state: PathBuf,
    uploads: bool,
    rescan: Duration,
    /// Files and connections that may be open at the same time.
    needed_files: u64,
}

#[derive(Debug, Clone)]
struct ServiceFacts {
    service: Service,
    /// None: it runs in another process.
    listens: Option<SocketAddr>,
    advertised: HostPort,
    /// Callers are told another address.
    public: bool,
}

impl Facts {
    /// Of a peer set up by `config`, whose services listen, where they run here, and are advertised at these addresses.
    pub fn new(
        config: &PeerConfig,
        chosen: Advertised,
        addresses: impl Fn(Service) -> (Option<SocketAddr>, HostPort),
    ) -> Facts {
        let candidate = |candidate: crate::advertise::Candidate| Candidate {
            interface: candidate.interface,
            address: candidate.address.to_string(),
            skipped: candidate.skipped.unwrap_or_default(),
        };
        let service = |service: Service| {
            let (listens, advertised) = addresses(service);
            let public = service == Service::Gateway && config.gateway.public_url.is_some();
            ServiceFacts { service, listens, advertised, public }
        };
        let services: Vec<ServiceFacts> = Service::ALL.into_iter().map(service).collect();
        let friends = [("friend", &config.friend), ("backup_friend", &config.backup_friend)];
        let needed = services.iter().filter(|service| service.listens.is_some()).map(|service| {
            let transfers = config.transfer.max_downloads + config.transfer.max_uploads;
            match service.service {
                // Each address has two channels.
                Service::Chord => config.grpc.max_connections + 2 * POOL,
                Service::Catalog => config.grpc.max_connections,
                Service::Transfer => config.grpc.max_connections + transfers,
                Service::Gateway => config.gateway.max_connections + transfers,
            }
        });
        Facts {
            advertisement: Advertisement {
                setting: config.advertise.to_string(),
                host: chosen.host,
                rule: chosen.rule,
                candidates: chosen.candidates.into_iter().map(candidate).collect(),
            },
            friends: friends.into_iter().filter_map(|(key, at)| Some((key, at.clone()?))).collect(),
            directory: config.directory.clone(),
            state: config.state.clone(),
            uploads: config.transfer.uploads,
            rescan: config.catalog.rescan,
            needed_files: (needed.sum::<usize>() + OTHER_FILES) as u64,
            services,
        }
    }

    fn is_here(&self, service: Service) -> bool {
        self.services.iter().any(|other| other.service == service && other.listens.is_some())
    }
}

/// Answers Diagnose.
pub(super) struct Diagnosis {
    handle: Handle,
    facts: Facts,
    /// At most one is under way.
    turn: Semaphore,
    /// When the last one began.
    began: Mutex<Option<Instant>>,
    /// A look at folders: a disk that does not answer holds it up for ever.
    disks: Arc<Semaphore>,
}

impl Diagnosis {
    pub(super) fn new(handle: Handle, facts: Facts) -> Diagnosis {
        let disks = Arc::new(Semaphore::new(1));
        Diagnosis { handle, facts, turn: Semaphore::new(1), began: Mutex::default(), disks }
    }

    /// All facts, within [`ALL`].
    pub(super) async fn facts(&self) -> Result<DiagnoseResponse, Status> {
        let _turn = self.begin()?;
        let late = |_| Status::deadline_exceeded(format!("not all was found out within {} s", ALL.as_secs()));
        tokio::time::timeout(ALL, self.find()).await.map_err(late)?
    }

    fn begin(&self) -> Result<SemaphorePermit<'_>, Status> {
        let turn = self.turn.try_acquire().map_err(|_| exhausted("a diagnosis is under way already"))?;
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        if began.is_some_and(|began| began.elapsed() < PAUSE) {
            return Err(exhausted("the last diagnosis began less than a second ago"));
        }
        *began = Some(Instant::now());
        Ok(turn)
    }

    async fn find(&self) -> Result<DiagnoseResponse, Status> {
        let snapshot = self.handle.snapshot().await.ok_or_else(stopped)?;
        let asked = whom(&self.facts.friends, &snapshot);
        let asked = asked.into_iter().map(|(keys, address)| dial::ask(&self.handle, keys, address));
        let services = self.facts.services.iter().map(|service| self.service(service));
        let (peers, services, limits) =
            tokio::join!(join_all(asked), join_all(services), limits::now(&self.facts, self.disks.clone()));
        Ok(DiagnoseResponse {
            advertisement: Some(self.facts.advertisement.clone()),
            services,
            peers,
            limits: Some(limits),
            uploads: self.facts.uploads,
        })
    }

    /// Where a service is, and whether this peer itself finds it where others are told to dial it.
    async fn service(&self, facts: &ServiceFacts) -> ServiceAddress {
        let advertised = facts.advertised.to_string();
        let reach = match facts.service {
            Service::Chord => dial::is(&self.handle.me(), &advertised, ONE).await,
            Service::Catalog | Service::Transfer => dial::healthy(&advertised, ONE).await,
            Service::Gateway => gateway(&advertised).await,
        };
        ServiceAddress {
            name: facts.service.to_string(),
            listens: facts.listens.map(|address| address.to_string()).unwrap_or_default(),
            advertised: facts.advertised.url(),
            reach: Some(reach),
            public_url: if facts.public { self.handle.services().gateway.to_string() } else { String::new() },
        }
    }
}

async fn gateway(authority: &str) -> Reach {
    if let Err(unreached) = reach::open(authority, ONE).await {
        return unreached;
    }
    let Ok(address) = authority.parse::<Address>() else {
        return reach::of(ReachState::Other, "it is no address");
    };
    match rest::get(&address, "/version", ONE).await {
        Ok(answer) if answer.status == 200 => reach::of(ReachState::Reached, ""),
        Ok(answer) => reach::of(ReachState::Other, format!("/version answers {}", answer.status)),
        Err(error) => reach::of(ReachState::Other, error.to_string()),
    }
}

/// Whom to ask: the friends, each address once, and peers of the ring: neighbours, then some from all around it.
fn whom(friends: &[(&'static str, HostPort)], node: &Snapshot) -> Vec<(Vec<&'static str>, String)> {
    let mut asked: Vec<(Vec<&'static str>, String)> = Vec::new();
    for (key, friend) in friends {
        let address = friend.to_string();
        match asked.iter_mut().find(|(_, other)| *other == address) {
            Some((keys, _)) => keys.push(key),
            None => asked.push((vec![key], address)),
        }
    }
    let most = asked.len() + OTHERS;
    let around = node.contacts.iter().step_by((node.contacts.len() / OTHERS).max(1));
    for peer in node.successors.iter().take(2).chain(&node.predecessor).chain(around) {
        let known = peer.id == node.me.id || asked.iter().any(|(_, address)| **address == *peer.address);
        if asked.len() < most && !known {
            asked.push((Vec::new(), peer.address.to_string()));
        }
    }
    asked
}

/// What is told of somebody who did not answer.
fn unreached(keys: Vec<&'static str>, address: String, reach: Reach) -> AskedPeer {
    let keys = keys.into_iter().map(str::to_owned).collect();
    AskedPeer { keys, address, reach: Some(reach), ..AskedPeer::default() }
}

#[cfg(test)]
mod tests {
    use chord::Peer;
    use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
    use chordial_proto::chord_v1::{DiagnoseRequest, DialBackRequest};
    use tonic::Code;

    use super::*;
    use crate::calls::lazy_channel;
    use crate::driver::testing::{TestPeer, quick, until_ring};

    #[tokio::test]
    async fn peers_of_a_ring_dial_each_other_back_and_nobody_else() {
        let p1 = TestPeer::start("p1", &[], quick(), None).await;
        let p2 = TestPeer::start("p2", &[&p1], quick(), None).await;
        until_ring(&[&p1, &p2]).await;
        let channel = lazy_channel(&format!("http://{}", p1.me().address)).unwrap();
        let mut client = NodeServiceClient::new(channel);

        let found = client.diagnose(DiagnoseRequest {}).await.unwrap().into_inner();
        let [other] = &found.peers[..] else { panic!("{found:?}") };
        assert_eq!(other.peer.as_ref().map(|peer| &*peer.name), Some("p2"));
        assert_eq!(other.dial_back.as_ref().map(Reach::state), Some(ReachState::Reached), "{other:?}");
        let clock = other.clock.unwrap();
        assert!(clock.ahead_ms.unsigned_abs() <= clock.within_ms + 1, "{clock:?}");
        let again = client.diagnose(DiagnoseRequest {}).await.unwrap_err();
        assert_eq!(again.code(), Code::ResourceExhausted);
        assert!(again.metadata().contains_key("grpc-retry-pushback-ms"));

        // A stranger is not dialled, whatever listens there; nor a peer whose identifier is not its address's.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stranger = Peer::stranger(&listener.local_addr().unwrap().to_string());
        let asked = DialBackRequest { peer: Some(stranger.clone().into()) };
        assert_eq!(client.dial_back(asked).await.unwrap_err().code(), Code::FailedPrecondition);
        let forged = chordial_proto::chord_v1::Peer { id: p2.me().id.to_bytes().into(), ..stranger.into() };
        let asked = DialBackRequest { peer: Some(forged) };
        assert_eq!(client.dial_back(asked).await.unwrap_err().code(), Code::InvalidArgument);
        let dialled = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(dialled.is_err(), "nobody was dialled");
    }

    #[test]
    fn each_address_is_asked_once_and_only_some_of_many() {
        let peer = |number: u32| Peer::stranger(&format!("10.0.0.{number}:7300"));
        let node = Snapshot {
            successors: (2..6).map(peer).collect(),
            predecessor: Some(peer(99)),
            contacts: (2..100).map(peer).collect(),
            ..Snapshot::lonely(peer(1))
        };
        let friend = |key, number: u32| (key, peer(number).address.parse().unwrap());
        let asked = whom(&[friend("friend", 2), friend("backup_friend", 2)], &node);
        assert_eq!(asked[0], (vec!["friend", "backup_friend"], "10.0.0.2:7300".to_owned()));
        assert_eq!(asked.len(), 1 + OTHERS);
        let mut addresses: Vec<&String> = asked.iter().map(|(_, address)| address).collect();
        addresses.dedup();
        assert_eq!(addresses.len(), asked.len());
        assert!(whom(&[], &Snapshot::lonely(peer(1))).is_empty());
    }

    #[test]
    fn what_a_process_needs_depends_on_its_services() {
        let config = PeerConfig::from_settings(&[]).unwrap();
        let needed = |here: &[Service]| {
            let address = HostPort { host: "10.0.0.1".into(), port: 7300 };
            let listens = |service| here.contains(&service).then(|| "10.0.0.1:7300".parse().unwrap());
            let facts =
                Facts::new(&config, Advertised::default(), |service| (listens(service), address.clone()));
            (facts.needed_files, facts.is_here(Service::Catalog))
        };
        let (all, catalog) = needed(&Service::ALL);
        assert!((4 * 1024..10_240).contains(&all) && catalog, "{all}");
        let (chord, catalog) = needed(&[Service::Chord]);
        assert!((1024..all).contains(&chord) && !catalog, "{chord}");
    }
}
