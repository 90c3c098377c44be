//! Logs: where they go and how a line looks. An event is one line, whatever the names and messages in it hold:
//! what would begin a line, move a terminal's cursor or turn text round is escaped ([`chord_client::text`]).

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use chord_client::text;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{MakeExt as _, RecordFields};
use tracing_subscriber::fmt::format::{self, FormatFields, Writer};
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriter};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat};

/// Starts logging as `[log]` says; once in a process. Colours only on a terminal, and not with `NO_COLOR`.
pub fn init(config: &LogConfig) -> anyhow::Result<()> {
    let (writer, colours) = match &config.file {
        Some(path) => (BoxMakeWriter::new(Mutex::new(open(path)?)), false),
        None => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal() && colour_allowed()),
    };
    let filter = EnvFilter::try_new(&config.level).context("log.level")?;
    let started = subscriber(config.format, filter, writer, colours).try_init();
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

fn subscriber(
    format: LogFormat,
    filter: EnvFilter,
    writer: BoxMakeWriter,
    colours: bool,
) -> Box<dyn Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    match format {
        LogFormat::Text => {
            Box::new(builder.with_writer(writer).with_ansi(colours).fmt_fields(Fields).finish())
        }
        LogFormat::Json => Box::new(
            builder.with_writer(JsonLines(writer)).with_ansi(false).json().flatten_event(true).finish(),
        ),
    }
}

/// The message as it is, then `name=value`, all escaped.
struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let escaped = format::debug_fn(|writer, field, value| match field.name() {
            "message" => write!(Escaping(writer), "{value:?}"),
            name => write!(Escaping(writer), "{name}={value:?}"),
        });
        escaped.delimited(" ").format_fields(writer, fields)
    }
}

/// Escapes what is written to it.
struct Escaping<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.write_str(&text::shown(piece))
    }
}

/// JSON whose strings are escaped: tracing writes each event's line in one piece.
struct JsonLines<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for JsonLines<M> {
    type Writer = JsonLines<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLines(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for JsonLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(json) => self.0.write_all(text::json(json).as_bytes())?,
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn colour_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn open(path: &Path) -> anyhow::Result<File> {
    let open = || {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        OpenOptions::new().create(true).append(true).open(path)
    };
    open().with_context(|| format!("log.file {} cannot be opened for writing", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_appended_to_and_a_bad_one_named() {
        use std::io::Write;
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("logs/peer.log");
        for line in ["one\n", "two\n"] {
            open(&path).unwrap().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let error = open(&path.join("below")).unwrap_err().to_string();
        assert!(error.contains("peer.log"), "{error}");
    }

    /// What one event leaves in the log, whose texts are all `name`.
    fn logged(format: LogFormat, name: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = BoxMakeWriter::new(Mutex::new(file.reopen().unwrap()));
        let filter = EnvFilter::try_new("info").unwrap();
        tracing::subscriber::with_default(subscriber(format, filter, writer, false), || {
            let span = tracing::info_span!("a span", %name);
            let _in_it = span.enter();
            tracing::warn!(name, path = %name, error = ?name, "{name} is odd");
        });
        std::fs::read_to_string(file.path()).unwrap()
    }

    const FORGED: &str =
        "x\n2026-11-22T09:30:00Z ERROR chord_peer: forged\r\u{1b}[2J\u{9b}1A\u{7f}\u{202e}\u{2028}\u{feff}\0";

    #[test]
    fn no_text_forges_a_line_or_moves_a_cursor() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format, FORGED);
            let line = log.strip_suffix('\n').unwrap();
            assert!(!line.contains(text::is_treacherous), "{line:?}");
            assert!(line.contains("forged") && line.contains("202e"), "{line}");
        }
        let harmless = logged(LogFormat::Text, "ä 🦀");
        assert!(harmless.contains("ä 🦀 is odd name=\"ä 🦀\" path=ä 🦀 error=\"ä 🦀\""), "{harmless}");
    }

    #[test]
    fn json_keeps_every_character() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, FORGED)).unwrap();
        assert_eq!(line["message"], format!("{FORGED} is odd"));
        assert_eq!((&line["name"], &line["path"]), (&FORGED.into(), &FORGED.into()));
    }
}
