//! The reference: rust-libp2p's Kademlia on its defaults but for one limit (`RECORDS`), over TCP with Noise and Yamux. Every node is told of all
//! others beforehand.

use std::collections::HashMap;

use anyhow::{Context, bail};
use futures::StreamExt as _;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, GetProvidersOk, QueryId, QueryResult, RecordKey};
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Keys that a node keeps, and that it provides, at most: more than by default (1,024), which would not do.
const RECORDS: usize = 100_000;
/// Questions to a node that wait.
const QUEUE: usize = 256;

type Answer = oneshot::Sender<Result<(), String>>;

enum Ask {
    /// Until all nodes that should know have been told.
    Provide(RecordKey, Answer),
    /// Until the first provider is known.
    Find(RecordKey, Answer),
    /// Until the query ends by itself.
    FindAll(RecordKey, Answer),
}

/// Nodes in this process, each in a task of its own; they end with it.
pub struct Nodes {
    nodes: Vec<mpsc::Sender<Ask>>,
    _tasks: JoinSet<()>,
}

impl Nodes {
    pub async fn start(size: usize) -> anyhow::Result<Nodes> {
        let mut swarms = Vec::new();
        let mut addresses: Vec<(PeerId, Multiaddr)> = Vec::new();
        for _ in 0..size {
            let mut swarm = swarm()?;
            swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
            let address = loop {
                if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                    break address;
                }
            };
            addresses.push((*swarm.local_peer_id(), address));
            swarms.push(swarm);
        }
        let mut nodes = Nodes { nodes: Vec::new(), _tasks: JoinSet::new() };
        for mut swarm in swarms {
            swarm.behaviour_mut().set_mode(Some(kad::Mode::Server));
            let own = *swarm.local_peer_id();
            for (peer, address) in addresses.iter().filter(|(peer, _)| *peer != own) {
                swarm.behaviour_mut().add_address(peer, address.clone());
            }
            let (asks, asked) = mpsc::channel(QUEUE);
            nodes._tasks.spawn(run(swarm, asked));
            nodes.nodes.push(asks);
        }
        Ok(nodes)
    }

    /// Announces that this node has the file of this name.
    pub async fn provide(&self, node: usize, name: &str) -> anyhow::Result<()> {
        self.ask(node, |answer| Ask::Provide(RecordKey::new(&name), answer)).await
    }

    /// Finds one that has it.
    pub async fn find(&self, node: usize, name: &str) -> anyhow::Result<()> {
        self.ask(node, |answer| Ask::Find(RecordKey::new(&name), answer)).await
    }

    /// Finds all that have it, as far as the query goes by default.
    pub async fn find_all(&self, node: usize, name: &str) -> anyhow::Result<()> {
        self.ask(node, |answer| Ask::FindAll(RecordKey::new(&name), answer)).await
    }

    async fn ask(&self, node: usize, ask: impl FnOnce(Answer) -> Ask) -> anyhow::Result<()> {
        let (answer, answered) = oneshot::channel();
        self.nodes[node % self.nodes.len()].send(ask(answer)).await.context("a libp2p node has stopped")?;
        match answered.await.context("a libp2p node has stopped")? {
            Ok(()) => Ok(()),
            Err(why) => bail!("libp2p: {why}"),
        }
    }
}

fn swarm() -> anyhow::Result<Swarm<kad::Behaviour<MemoryStore>>> {
    let builder = SwarmBuilder::with_new_identity().with_tokio();
    let builder = builder.with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?;
    let kademlia = |key: &libp2p::identity::Keypair| {
        let id = key.public().to_peer_id();
        let store =
            MemoryStoreConfig { max_records: RECORDS, max_provided_keys: RECORDS, ..Default::default() };
        kad::Behaviour::new(id, MemoryStore::with_config(id, store))
    };
    Ok(builder.with_behaviour(kademlia)?.build())
}

/// What waits for a query: for its first provider only, or for its end, and whether one was found.
struct Waiting {
    answer: Answer,
    first: bool,
    found: bool,
}

async fn run(mut swarm: Swarm<kad::Behaviour<MemoryStore>>, mut asked: mpsc::Receiver<Ask>) {
    let mut waiting: HashMap<QueryId, Waiting> = HashMap::new();
    loop {
        tokio::select! {
            ask = asked.recv() => {
                let Some(ask) = ask else { return };
                let kademlia = swarm.behaviour_mut();
                let (query, answer, first) = match ask {
                    Ask::Provide(key, answer) => match kademlia.start_providing(key) {
                        Ok(query) => (query, answer, false),
                        Err(error) => {
                            let _ = answer.send(Err(error.to_string()));
                            continue;
                        }
                    },
                    Ask::Find(key, answer) => (kademlia.get_providers(key), answer, true),
                    Ask::FindAll(key, answer) => (kademlia.get_providers(key), answer, false),
                };
                waiting.insert(query, Waiting { answer, first, found: false });
            }
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed { id, result, .. }) = event
                    && let Some(first) = progressed(&mut waiting, id, result)
                    && let Some(mut query) = swarm.behaviour_mut().query_mut(&first)
                {
                    query.finish();
                }
            }
        }
    }
}

/// Tells who waits. Returns the query, where its first answer was enough.
fn progressed(waiting: &mut HashMap<QueryId, Waiting>, id: QueryId, result: QueryResult) -> Option<QueryId> {
    let query = waiting.get_mut(&id)?;
    let result = match result {
        QueryResult::StartProviding(result) => result.map(drop).map_err(|error| error.to_string()),
        QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) => {
            query.found |= !providers.is_empty();
            if !query.first || !query.found {
                return None;
            }
            Ok(())
        }
        QueryResult::GetProviders(Ok(GetProvidersOk::FinishedWithNoAdditionalRecord { .. })) => {
            if query.found { Ok(()) } else { Err("nobody was found".to_owned()) }
        }
        QueryResult::GetProviders(Err(error)) => Err(error.to_string()),
        _ => return None,
    };
    let query = waiting.remove(&id)?;
    let _ = query.answer.send(result);
    query.first.then_some(id)
}
