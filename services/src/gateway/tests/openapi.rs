//! The OpenAPI document against the routes, and against real answers.

use std::collections::BTreeSet;

use chord_client::views::EventView;
use chordial_proto::chord_v1::watch_events_response::Event;
use chordial_proto::chord_v1::{
    EventsBegin, EventsEnd, FileChange, FileChanged, FilesChanged, FilesWatched, PeerChange, PeerChanged,
    WatchEventsResponse,
};
use http::Method;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use super::{Answer, Harness};
use crate::gateway::routes::Route;

/// One of each resource.
fn resources() -> Vec<Route> {
    let name = || "report.pdf".to_owned();
    vec![
        Route::Page,
        Route::Text,
        Route::Asset("style.css".to_owned()),
        Route::Livez,
        Route::Readyz,
        Route::Metrics,
        Route::Version,
        Route::OpenApi,
        Route::Node,
        Route::Ring,
        Route::Lookup,
        Route::Config,
        Route::Catalog,
        Route::Files,
        Route::File(name()),
        Route::Content(name()),
        Route::Search,
        Route::SearchEvents,
        Route::Events,
        Route::Published,
        Route::Receipt(name()),
        Route::Shared(name()),
    ]
}

/// The document, and how answers are held against it.
struct Document(Value);

impl Document {
    async fn of(peer: &Harness) -> Self {
        Self(peer.get("/openapi.json").await.of_json())
    }

    /// `value`, or what it refers to.
    fn follow<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => {
                self.0.pointer(reference.trim_start_matches('#')).expect("what is referred to")
            }
            None => value,
        }
    }

    /// What the document has of this answer.
    #[track_caller]
    fn check(&self, method: &str, pattern: &str, answer: &Answer) {
        let operation = &self.0["paths"][pattern][method.to_lowercase()];
        let of = format!("{method} {pattern}: {}", answer.status);
        let response = self.follow(&operation["responses"][answer.status.to_string()]);
        assert!(response.is_object(), "{of} is not documented");
        for header in ["allow", "content-range", "etag", "link", "location", "retry-after", "x-request-id"] {
            let known: Vec<&str> =
                response["headers"].as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
            let documented = known.iter().any(|known| known.eq_ignore_ascii_case(header));
            assert!(documented || answer.header(header).is_none(), "{of}: {header} is not among {known:?}");
        }
        let Some(content) = response["content"].as_object() else {
            return assert!(answer.body.is_empty(), "{of}: no body is documented: {answer:?}");
        };
        let media_type =
            answer.header("content-type").and_then(|all| all.split(';').next()).unwrap_or_default();
        let Some(media) = content.get(media_type).or_else(|| content.get("*/*")) else {
            panic!("{of}: {media_type:?} is not among {:?}", content.keys());
        };
        if media_type.ends_with("json") && method != "HEAD" && !content.contains_key("*/*") {
            let body = serde_json::from_slice(&answer.body).expect("JSON");
            self.fits(&media["schema"], &body).unwrap_or_else(|why| panic!("{of}: {why} in {body}"));
        }
    }

    /// Whether `value` is of `schema`, as far as the document's own keywords go. A member that the schema does not
    /// name is a fault, too.
    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.follow(schema);
        let fault = |what: &str| Err(format!("{value} {what} {schema}"));
        if let Some(choices) = schema["oneOf"].as_array() {
            let fitting = choices.iter().filter(|one| self.fits(one, value).is_ok()).count();
            return if fitting == 1 { Ok(()) } else { fault("is not just one of") };
        }
        if let Some(content) = schema.get("contentSchema") {
            let written = value.as_str().and_then(|text| serde_json::from_str(text).ok());
            self.fits(content, &written.unwrap_or_default())?;
        }
        let members = self.members(schema);
        if let (Some(object), false) = (value.as_object(), schema["additionalProperties"] == true) {
            for (name, member) in object {
                let Some(known) = members.get(name) else { return fault(&format!("has {name:?}, unlike")) };
                self.fits(known, member)?;
            }
            let missing = self.required(schema).into_iter().find(|name| !object.contains_key(*name));
            if let Some(missing) = missing {
                return fault(&format!("has no {missing:?}, unlike"));
            }
        }
        for item in value.as_array().into_iter().flatten() {
            self.fits(&schema["items"], item)?;
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.clone(),
            Value::Null if !schema["allOf"].is_null() => vec![json!("object")],
            kind => vec![kind.clone()],
        };
        if !kinds.iter().any(|known| known == kind || (known == "number" && kind == "integer")) {
            return fault("is not of the type of");
        }
        match schema["enum"].as_array() {
            Some(values) if !values.contains(value) => fault("is not among"),
            _ => Ok(()),
        }
    }

    fn members<'a>(&'a self, schema: &'a Value) -> Map<String, Value> {
        let parts = schema["allOf"].as_array().into_iter().flatten();
        let mut members: Map<_, _> = parts.flat_map(|part| self.members(self.follow(part))).collect();
        members.extend(schema["properties"].as_object().cloned().unwrap_or_default());
        members
    }

    fn required<'a>(&'a self, schema: &'a Value) -> Vec<&'a str> {
        let parts = schema["allOf"].as_array().into_iter().flatten();
        let own = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        parts.flat_map(|part| self.required(self.follow(part))).chain(own).collect()
    }
}

impl Answer {
    fn of_json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

#[tokio::test]
async fn every_resource_is_documented_with_its_methods_and_query_keys() {
    let RefOr::T(Schema::OneOf(variants)) = Route::schema() else { panic!("no list of variants") };
    assert_eq!(variants.items.len(), resources().len(), "resources() here lacks one");
    let document = Document::of(&Harness::new().await).await;
    let paths = document.0["paths"].as_object().unwrap();
    let patterns: BTreeSet<&str> = resources().iter().map(Route::pattern).collect();
    assert_eq!(paths.keys().map(String::as_str).collect::<BTreeSet<_>>(), patterns);
    for route in resources() {
        let path = &paths[route.pattern()];
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let operation = &path[method.to_lowercase()];
            let taken = route.check_method(&Method::from_bytes(method.as_bytes()).unwrap()).is_ok();
            assert_eq!(operation.is_object(), taken, "{method} {}", route.pattern());
            if !taken {
                continue;
            }
            let parameters = operation["parameters"].as_array();
            let parameters = parameters.into_iter().flatten().filter(|one| one["in"] == "query");
            let keys: BTreeSet<&str> = parameters.filter_map(|one| one["name"].as_str()).collect();
            // What any method of a resource has is told whatever the query says.
            let asked = Method::from_bytes(method.as_bytes()).unwrap();
            let known = if method == "OPTIONS" { &[] } else { route.query_keys(&asked).unwrap_or_default() };
            assert_eq!(keys, known.iter().copied().collect(), "{method} {}", route.pattern());
        }
    }
}

#[tokio::test]
async fn real_answers_are_what_the_document_says() {
    let peer = Harness::new().await;
    let document = Document::of(&peer).await;
    let file = "/api/v1/files/{name}";
    let content = "/api/v1/files/{name}/content";
    let own = "/files/{path}";
    let range = [("range", "bytes=0-4")];
    let beyond = [("range", "bytes=99-")];
    let any = [("if-none-match", "*")];
    let none: [(&str, &str); 0] = [];
    for (pattern, target, headers, status) in [
        ("/", "/", &none[..], 200),
        ("/text", "/text", &none, 200),
        ("/text", "/text?lookup=report.pdf", &none, 200),
        ("/text", "/text?x=1", &none, 400),
        ("/assets/{path}", "/assets/style.css", &none, 200),
        ("/assets/{path}", "/assets/style.css", &any, 304),
        ("/assets/{path}", "/assets/none.js", &none, 404),
        ("/livez", "/livez", &none, 200),
        ("/livez", "/livez", &[("content-length", "65537")], 413),
        ("/livez", "/livez", &[("accept", "image/png")], 406),
        ("/livez", "/livez", &[("expect", "nothing")], 417),
        ("/readyz", "/readyz", &none, 200),
        ("/metrics", "/metrics", &none, 200),
        ("/version", "/version", &none, 200),
        ("/openapi.json", "/openapi.json", &none, 200),
        ("/openapi.json", "/openapi.json", &any, 304),
        ("/api/v1/node", "/api/v1/node", &none, 200),
        ("/api/v1/node", "/api/v1/node?x=1", &none, 400),
        ("/api/v1/node", "/api/v1/node?peer=p2", &none, 200),
        ("/api/v1/node", "/api/v1/node?peer=p9", &none, 404),
        ("/api/v1/ring", "/api/v1/ring", &none, 200),
        ("/api/v1/lookup", "/api/v1/lookup?name=report.pdf", &none, 200),
        ("/api/v1/lookup", "/api/v1/lookup?key=9f", &none, 400),
        ("/api/v1/config", "/api/v1/config", &none, 200),
        ("/api/v1/catalog", "/api/v1/catalog?peer=p2&limit=3", &none, 200),
        ("/api/v1/catalog", "/api/v1/catalog?peer=p9", &none, 404),
        ("/api/v1/files", "/api/v1/files", &none, 200),
        ("/api/v1/files", "/api/v1/files?cursor=nonsense", &none, 400),
        (file, "/api/v1/files/report.pdf", &none, 200),
        (file, "/api/v1/files/nobody.txt", &none, 404),
        (file, "/api/v1/files/busy.txt", &none, 429),
        (file, "/api/v1/files/cut-off.txt", &none, 503),
        (file, "/api/v1/files/late.txt", &none, 504),
        (content, "/api/v1/files/report.pdf/content", &none, 200),
        (content, "/api/v1/files/report.pdf/content", &range, 206),
        (content, "/api/v1/files/two.txt/content", &none, 300),
        (content, "/api/v1/files/report.pdf/content", &any, 304),
        (content, "/api/v1/files/report.pdf/content?digest=x", &none, 400),
        (content, "/api/v1/files/nobody.txt/content", &none, 404),
        (content, "/api/v1/files/report.pdf/content", &beyond, 416),
        (content, "/api/v1/files/lost.txt/content", &none, 502),
        ("/api/v1/search", "/api/v1/search?q=report&limit=1", &none, 200),
        ("/api/v1/search", "/api/v1/search", &none, 400),
        ("/api/v1/search", "/api/v1/search?q=busy", &none, 429),
        ("/api/v1/search/events", "/api/v1/search/events", &none, 400),
        ("/api/v1/published", "/api/v1/published", &none, 200),
        ("/api/v1/published/{name}", "/api/v1/published/report.pdf", &none, 200),
        ("/api/v1/published/{name}", "/api/v1/published/other", &none, 404),
        (own, "/files/docs/report.pdf", &none, 200),
        (own, "/files/docs/report.pdf", &range, 206),
        (own, "/files/docs/report.pdf", &any, 304),
        (own, "/files/nobody.txt", &none, 404),
        (own, "/files/docs/report.pdf", &[("if-match", "\"x\"")], 412),
        (own, "/files/docs/report.pdf", &beyond, 416),
        (own, "/files/changing.txt", &none, 503),
    ] {
        let answer = peer.ask("GET", target, headers).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        document.check("GET", pattern, &answer);
        // HEAD has no parts.
        if !matches!(status, 206 | 416) {
            document.check("HEAD", pattern, &peer.ask("HEAD", target, headers).await);
        }
        let methods = peer.ask("OPTIONS", target, &[]).await;
        assert_eq!(methods.status, 204, "{target}: {methods:?}");
        document.check("OPTIONS", pattern, &methods);
    }
    for (pattern, target) in
        [("/api/v1/search/events", "/api/v1/search/events?q=report"), ("/api/v1/events", "/api/v1/events")]
    {
        let head = peer.ask("HEAD", target, &[]).await;
        assert_eq!(head.status, 200);
        document.check("HEAD", pattern, &head);
    }
    for (target, header, status) in [
        ("/files/x", ("content-length", "1"), 403),
        ("/files/x", ("content-range", "bytes 0-0/2"), 400),
        ("/files/a%2Fb", ("content-length", "0"), 404),
        ("/files/x", ("if-match", "*"), 412),
        ("/files/x", ("content-encoding", "gzip"), 415),
    ] {
        let answer = peer.ask("PUT", target, &[header]).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        document.check("PUT", own, &answer);
    }
    let alone = Harness::without_services().await;
    for (pattern, target) in
        [("/readyz", "/readyz"), ("/api/v1/search", "/api/v1/search?q=x"), (own, "/files/x")]
    {
        let answer = alone.get(target).await;
        assert_eq!(answer.status, 503, "{target}: {answer:?}");
        document.check("GET", pattern, &answer);
    }
}

#[tokio::test]
async fn events_are_what_the_document_says() {
    let document = Document::of(&Harness::new().await).await;
    let schema = |of: &str| {
        let answers = &document.0["paths"][of]["get"]["responses"]["200"]["content"];
        answers["text/event-stream"]["schema"].clone()
    };
    let search = schema("/api/v1/search/events");
    for (event, data) in [
        ("ready", json!({ "query": "report", "complete": true })),
        ("incomplete", json!({ "complete": false })),
        ("match", json!({ "name": "a", "key": "9f".repeat(20), "sources": [], "total": 0 })),
    ] {
        document.fits(&search, &json!({ "event": event, "data": json!(data).to_string() })).unwrap();
        assert!(document.fits(&search, &json!({ "event": event, "data": "{}" })).is_err());
    }
    assert!(document.fits(&search, &json!({ "event": "other", "data": "{\"complete\":false}" })).is_err());
    let network = schema("/api/v1/events");
    let peer = |change: PeerChange| Event::Peer(PeerChanged { change: change.into(), ..Default::default() });
    let file = |change: FileChange| Event::File(FileChanged { change: change.into(), ..Default::default() });
    for event in [
        Event::Begin(EventsBegin::default()),
        Event::Begin(EventsBegin { reset: true, ..Default::default() }),
        peer(PeerChange::Joined),
        peer(PeerChange::Left),
        peer(PeerChange::Suspected),
        peer(PeerChange::Failed),
        peer(PeerChange::Back),
        file(FileChange::Appeared),
        file(FileChange::Changed),
        file(FileChange::Vanished),
        Event::Files(FilesChanged::default()),
        Event::Watched(FilesWatched::default()),
        Event::End(EventsEnd { slow: true, ..Default::default() }),
        Event::End(EventsEnd::default()),
    ] {
        let message = WatchEventsResponse { event: Some(event), ..Default::default() };
        let EventView { event, data, .. } = EventView::of(message).unwrap();
        document.fits(&network, &json!({ "event": event, "data": json!(data).to_string() })).unwrap();
    }
}
