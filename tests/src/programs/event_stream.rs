//! A reader of server-sent events.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::{ensure, eventually};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id; empty: none.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
}

/// A stream that is read in the background until it ends.
#[derive(Debug, Clone)]
pub struct EventStream {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    events: Vec<Event>,
    ended: bool,
}

impl EventStream {
    /// Asks the server at `base` (`http://HOST:PORT`) for `path`; `headers` go with it.
    ///
    /// # Panics
    /// Where nothing answers.
    pub fn open(base: &str, path: &str, headers: &[(&str, &str)]) -> EventStream {
        let host = base.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("{base}: {error}"));
        // Version 1.0 has no chunks, so that the body is nothing but events.
        let mut request = format!("GET {path} HTTP/1.0\r\nhost: {host}\r\n");
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        stream.write_all(format!("{request}\r\n").as_bytes()).expect("a request is sent");
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = seen.clone();
        std::thread::spawn(move || {
            let mut event = Event { id: String::new(), name: String::new(), data: Value::Null };
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut seen = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match line.split_once(": ") {
                    Some(("id", id)) => event.id = id.to_owned(),
                    Some(("event", name)) => event.name = name.to_owned(),
                    Some(("data", data)) => event.data = serde_json::from_str(data).unwrap_or_default(),
                    _ if line.is_empty() && !event.name.is_empty() => {
                        seen.events.push(event.clone());
                        event.name.clear();
                    }
                    _ => {}
                }
            }
            shared.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        });
        EventStream { seen }
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).events.clone()
    }

    /// Whether the server has ended it.
    pub fn ended(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).ended
    }

    /// Waits for an event.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait(&self, within: std::time::Duration, what: &str, is: impl Fn(&Event) -> bool) -> Event {
        eventually(within, &format!("the event that {what}"), || {
            let events = self.events();
            let found = events.iter().find(|event| is(event)).cloned();
            ensure(found.is_some(), || format!("{events:#?}"))?;
            found.ok_or_else(String::new)
        })
    }
}
