//! `schema`: what `--output json` prints, as JSON Schema, without a peer. The files in `schemas/` are made from the
//! views by a test.

use chord_client::ClientError;

use crate::output::print;

/// A schema for each command that prints JSON, by its name.
const SCHEMAS: [(&str, &str); 14] = [
    ("ring", include_str!("../../schemas/ring.json")),
    ("node", include_str!("../../schemas/node.json")),
    ("fingers", include_str!("../../schemas/fingers.json")),
    ("lookup", include_str!("../../schemas/lookup.json")),
    ("find", include_str!("../../schemas/find.json")),
    ("search", include_str!("../../schemas/search.json")),
    ("watch", include_str!("../../schemas/watch.json")),
    ("ls", include_str!("../../schemas/ls.json")),
    ("publish", include_str!("../../schemas/publish.json")),
    ("get", include_str!("../../schemas/get.json")),
    ("put", include_str!("../../schemas/put.json")),
    ("echo", include_str!("../../schemas/echo.json")),
    ("top", include_str!("../../schemas/top.json")),
    ("doctor", include_str!("../../schemas/doctor.json")),
];

/// Prints the schema of one command.
///
/// # Errors
/// [`ClientError::Usage`] where there is none of this name.
pub fn run(command: &str) -> Result<u8, ClientError> {
    match SCHEMAS.iter().find(|(name, _)| *name == command) {
        Some((_, schema)) => print(schema.as_bytes()).map(|()| 0),
        None => {
            let names: Vec<&str> = SCHEMAS.iter().map(|(name, _)| *name).collect();
            Err(ClientError::Usage(format!(
                "there is no schema of {command:?}; there is one of each of {}",
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Args;

    /// Commands without JSON.
    const OTHERS: [&str; 3] = ["completions", "man", "schema"];

    #[test]
    fn every_command_has_a_schema() {
        let args = Args::command();
        let commands: Vec<&str> = args
            .get_subcommands()
            .map(|command| command.get_name())
            .filter(|name| !OTHERS.contains(name))
            .collect();
        let mut described: Vec<&str> = SCHEMAS.iter().map(|(name, _)| *name).collect();
        for name in commands {
            let at = described.iter().position(|described| *described == name);
            described.remove(at.unwrap_or_else(|| panic!("{name} has no schema")));
        }
        assert!(described.is_empty(), "no such commands: {described:?}");
        for (name, schema) in SCHEMAS {
            let schema: serde_json::Value = serde_json::from_str(schema).expect(name);
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        }
    }
}
