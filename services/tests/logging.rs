//! Logging is started once in a process, so its test has one of its own.

use chord_peer::config::{LogConfig, LogFormat};
use chord_peer::logging;
use serde_json::Value;

#[test]
fn logs_are_json_objects_in_the_file_and_start_only_once() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("logs/peer.log");
    let config = LogConfig { level: "warn".into(), format: LogFormat::Json, file: Some(file.clone()) };
    logging::init(&config).unwrap();
    tracing::info!("too quiet");
    tracing::warn!(peer = "p1", "hello");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert_eq!((&lines[0]["message"], &lines[0]["level"]), (&"hello".into(), &"WARN".into()));
    assert_eq!(lines[0]["peer"], "p1");
    assert!(logging::init(&config).is_err());
}
