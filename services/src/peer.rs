//! One peer: its services, started and stopped in order.

use crate::config::{PeerConfig, Service};

/// Runs `services` of the peer until Ctrl-C or SIGTERM.
pub async fn run(config: PeerConfig, services: Vec<Service>) -> anyhow::Result<()> {
    anyhow::bail!("peer {}: {} services: not wired yet", config.name, services.len())
}
