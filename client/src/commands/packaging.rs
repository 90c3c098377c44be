//! `completions` and `man`: for packagers, without a peer.

use std::path::Path;

use chord_client::ClientError;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Args;
use crate::completion;
use crate::output::print;

/// Prints the script with which a shell asks this program for completions.
pub fn completions(shell: Shell) -> Result<u8, ClientError> {
    let script = completion::script(&shell.to_string())
        .map_err(|error| ClientError::Failed(format!("the script cannot be made: {error}")))?;
    print(&script)?;
    Ok(0)
}

/// Prints chord-cli.1, or writes a page for it and each command into `folder`.
pub fn man(folder: Option<&Path>) -> Result<u8, ClientError> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command())
            .render(&mut page)
            .map_err(|error| ClientError::Failed(format!("the page cannot be made: {error}")))?;
        print(&page)?;
        return Ok(0);
    };
    clap_mangen::generate_to(command(), folder).map_err(|error| {
        ClientError::Failed(format!("cannot write the pages to {}: {error}", folder.display()))
    })?;
    Ok(0)
}

fn command() -> Command {
    Args::command()
}
