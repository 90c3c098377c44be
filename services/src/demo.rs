//! A whole network in one process.

use crate::args::DemoArgs;

/// Runs the demo.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    anyhow::bail!("a demo of {} peers: not wired yet", args.peers)
}
