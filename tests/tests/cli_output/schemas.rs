//! `--output json` and the schemas of `chord-cli schema`: made from the views, and true of what each command prints.

use std::path::PathBuf;
use std::process::Stdio;

use chord_client::views::{
    CatalogView, DiagnosisView, EchoView, EventView, FileView, FilesPage, FingersView, GotManyView, GotView,
    LookupView, NamedFile, NodeView, PublishedView, RingView, SearchPage, TopView, UploadView,
};
use chordial_tests::json_schema::check;
use chordial_tests::programs::{PATIENCE, Process, Program, command, ensure, eventually};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::ring::{Ring, write};

/// What a command prints: the names of its forms, and all definitions that they need.
type Printed = (Vec<String>, Map<String, Value>);

/// A schema for each command: what it prints, each form of it.
fn schemas() -> Vec<(&'static str, Value)> {
    let commands = [
        ("ring", "the ring; `check` prints the same", of::<RingView>()),
        ("node", "the state of a peer", of::<NodeView>()),
        ("fingers", "the finger table of a peer", of::<FingersView>()),
        ("lookup", "who is responsible", of::<LookupView>()),
        ("find", "who has a file", of::<FileView>()),
        ("search", "a page; with --watch a hit on each line", or(of::<SearchPage>(), of::<NamedFile>())),
        ("watch", "an event on each line", of::<EventView>()),
        (
            "ls",
            "the files of a peer; with --all those of the network",
            or(of::<CatalogView>(), of::<FilesPage>()),
        ),
        ("publish", "how far files are published", of::<PublishedView>()),
        (
            "get",
            "a file; of several names and with --search all of them",
            or(of::<GotView>(), of::<GotManyView>()),
        ),
        ("put", "the file, as it is shared now", of::<UploadView>()),
        ("echo", "what a transfer would move", of::<EchoView>()),
        ("top", "the ring and its traffic at one moment, on each line", of::<TopView>()),
        ("doctor", "what was found of a peer", of::<DiagnosisView>()),
    ];
    commands.map(|(name, what, printed)| (name, schema(name, what, printed))).into()
}

fn of<T: ToSchema>() -> Printed {
    let mut definitions = Vec::new();
    T::schemas(&mut definitions);
    definitions.push((T::name().into_owned(), T::schema()));
    let json = |schema| serde_json::to_value(schema).expect("a schema is JSON");
    (
        vec![T::name().into_owned()],
        definitions.into_iter().map(|(name, schema)| (name, json(schema))).collect(),
    )
}

fn or(mut first: Printed, second: Printed) -> Printed {
    first.0.extend(second.0);
    first.1.extend(second.1);
    first
}

fn schema(name: &str, what: &str, (forms, mut definitions): Printed) -> Value {
    definitions.values_mut().for_each(at_home);
    definitions.sort_keys();
    let forms: Vec<Value> = forms.iter().map(|form| json!({ "$ref": format!("#/$defs/{form}") })).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("chord-cli --output json {name}"),
        "description": format!("{what}. Later versions may add properties."),
        "anyOf": forms,
        "$defs": definitions,
    })
}

/// References lead into the same file. A form may be a part of another one, so that more than one fits.
fn at_home(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::String(target)) = keywords.get_mut("$ref") {
                *target = target.replace("#/components/schemas/", "#/$defs/");
            }
            if let Some(forms) = keywords.remove("oneOf") {
                keywords.insert("anyOf".to_owned(), forms);
            }
            keywords.values_mut().for_each(at_home);
        }
        Value::Array(all) => all.iter_mut().for_each(at_home),
        _ => {}
    }
}

pub fn files_are_up_to_date() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../client/schemas");
    for (name, schema) in schemas() {
        let path = folder.join(format!("{name}.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("JSON"));
        if std::env::var_os("CHORDIAL_SCHEMAS").is_some_and(|what| what == "write") {
            std::fs::write(&path, &text).expect("the schema's file");
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        let there: Value = serde_json::from_str(&there).unwrap_or_default();
        assert!(
            there == schema,
            "{name}.json is not that of the views; write it with CHORDIAL_SCHEMAS=write"
        );
    }
    let files = std::fs::read_dir(folder).expect("the schemas").count();
    assert_eq!(files, schemas().len(), "a schema of a command that is none");
}

/// Each command with all that it prints; every one that has a schema is among them.
pub fn every_command_prints_what_its_schema_says(ring: &Ring) {
    let folder = ring.folder("json");
    write(&folder.join("json.txt"), "uploaded\n");
    let mut seen = Vec::new();
    for arguments in [
        &["ring"][..],
        &["ring", "check"],
        &["node"],
        &["fingers"],
        &["lookup", "hello.txt"],
        &["lookup", "hello.txt", "--trace"],
        &["find", "plan.txt"],
        &["search", "annual"],
        &["search", "--all", "ext:txt"],
        &["ls"],
        &["ls", "--of", "p3"],
        &["ls", "--all"],
        &["publish"],
        &["publish", "hello.txt"],
        &["get", "hello.txt"],
        &["get", "hello.txt"],
        &["get", "hello.txt", "plan.txt", "nobody.txt"],
        &["get", "--search", "annual"],
        &["put", "json.txt"],
        &["put", "json.txt", "--replace"],
        &["echo", "download", "hello.txt"],
        &["echo", "upload", "json.txt"],
        &["top", "--once"],
        &["doctor"],
    ] {
        let output = ring.cli(&folder, &[&["--output", "json"], arguments].concat());
        fits(ring, arguments, &output.json());
        seen.push(arguments[0]);
    }
    for (arguments, path) in
        [(&["watch"][..], "new one.json"), (&["search", "--watch", "ext:json"], "new two.json")]
    {
        for line in lines(ring, arguments, path) {
            fits(ring, arguments, &line);
        }
        seen.push(arguments[0]);
    }
    for (name, _) in schemas() {
        assert!(seen.contains(&name), "nothing of what {name} prints was looked at");
    }
}

/// Against the schema that the program itself prints.
fn fits(ring: &Ring, arguments: &[&str], printed: &Value) {
    let schema = ring.cli(ring.cluster.folder(), &["schema", arguments[0]]).ok().json();
    check(printed, &schema, &schema).unwrap_or_else(|why| panic!("{arguments:?}: {why}\n{printed:#}"));
}

/// What a command prints that does not end, until it has told of a new file at `path`.
fn lines(ring: &Ring, arguments: &[&str], path: &str) -> Vec<Value> {
    let folder = ring.folder("watched");
    let (out, err) = (folder.join("out"), folder.join("err"));
    let mut command = command(Program::ChordCli, &folder);
    command.args(["--output", "json"]).args(arguments).env("CHORD_PEER", ring.p1().chord());
    let create = |path| std::fs::File::create(path).expect("a file for output");
    command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
    let process = Process::spawn(command, "chord-cli that watches", err.clone());
    eventually(PATIENCE, "it says that it watches", || {
        let said = std::fs::read_to_string(&err).expect("standard error");
        ensure(said.contains("Ctrl-C"), || said)
    });
    // From a peer whose files are not watched yet nothing would be told.
    let mut attempt = 0;
    let lines = eventually(PATIENCE, &format!("{arguments:?} tells of {path}"), || {
        attempt += 1;
        if attempt % 100 == 1 {
            ring.p1().share(&format!("{attempt} {path}"), b"new\n");
        }
        let told = std::fs::read_to_string(&out).expect("standard output");
        ensure(told.contains(path) && told.ends_with('\n'), || told.clone())?;
        Ok(told)
    });
    drop(process);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}
