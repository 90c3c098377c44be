//! Gathers what is collected: what this process counts, what the peer's other processes do, and the peer's state.
//! Whoever does not answer in time is left out.

use std::fmt;
use std::time::Duration;

use chordial_proto::chord_v1::NodeState;
use chordial_proto::metrics_v1::GetMetricsRequest;
use chordial_proto::metrics_v1::metrics_service_client::MetricsServiceClient;
use futures::future::join_all;
use tokio::time::{Instant, timeout_at};
use tonic::transport::Channel;

use super::metrics::{PeerState, text};
use super::standing::Standing;
use super::upstream::Upstream;
use crate::config::Service;
use crate::metrics::{Families, Metrics};

/// How long a collection may take: a collector's own patience is 10 s as a rule.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the peer's own state may take, so that time is left for the ring's.
const OWN: Duration = Duration::from_secs(1);

/// Where what is collected comes from.
#[derive(Debug)]
pub(super) struct Collector {
    own: Metrics,
    /// The services of other processes.
    others: Vec<(Service, MetricsServiceClient<Channel>)>,
}

impl Collector {
    /// Of `services`, those are asked that do not run in the process of `own`.
    pub(super) fn new(own: &Metrics, services: impl IntoIterator<Item = (Service, Channel)>) -> Self {
        let others = services.into_iter().filter(|(service, _)| !own.services().contains(service));
        let others = others.map(|(service, channel)| (service, MetricsServiceClient::new(channel)));
        Self { own: own.clone(), others: others.collect() }
    }

    /// All there is to be had within two seconds.
    ///
    /// # Errors
    /// Where a metric has no text form.
    pub(super) async fn collect(
        &self,
        upstream: &Upstream,
        standing: &Standing,
    ) -> Result<Families, fmt::Error> {
        let until = Instant::now() + PATIENCE;
        let ask = |(service, client): &(Service, MetricsServiceClient<Channel>)| {
            let (service, mut client) = (*service, client.clone());
            async move {
                let answer = timeout_at(until, client.get_metrics(GetMetricsRequest {})).await;
                (service, answer.ok().and_then(Result::ok).map(|answer| answer.into_inner().text))
            }
        };
        let state = async {
            // Counting goes on while the chord service is away: then only its own numbers are missing.
            let node = timeout_at(until - (PATIENCE - OWN), upstream.node()).await.ok().and_then(Result::ok);
            let [near, ring] = match &node {
                Some(node) if node.state() == NodeState::Member => standing.look(upstream, until).await,
                _ => [None, None],
            };
            (node, near, ring)
        };
        let (others, (node, near, ring)) = tokio::join!(join_all(self.others.iter().map(ask)), state);
        let here = self.own.services().iter().map(|service| (*service, true));
        let there = others.iter().map(|(service, text)| (*service, text.is_some()));
        let peer = PeerState {
            services: here.chain(there).collect(),
            node: node.as_ref(),
            near: near.as_deref(),
            ring: ring.as_deref(),
        };
        let mut families = Families::default();
        families.add(&self.own.text()?);
        families.add(&text(&peer)?);
        others.iter().filter_map(|(_, text)| text.as_ref()).for_each(|text| families.add(text));
        Ok(families)
    }
}
