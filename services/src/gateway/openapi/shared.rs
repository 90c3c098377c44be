//! What all operations have in common, added to what each of them says: `HEAD` and `OPTIONS`, the errors that any
//! request can meet, and the identifier of a request.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Required};
use utoipa::{Modify, ToSchema};

use super::parts::{failure, header, text};
use crate::gateway::events::NetworkEvent;
use crate::gateway::problem::{Kind, Problem};
use crate::gateway::search_events::SearchEvent;

/// Statuses of problems that any request can meet, with the names of their descriptions.
const EVERYWHERE: [(u16, &str); 11] = [
    (400, "BadRequest"),
    (406, "NotAcceptable"),
    (413, "BodyTooLarge"),
    (414, "UriTooLong"),
    (417, "ExpectationFailed"),
    (421, "WrongHost"),
    (429, "TooManyRequests"),
    (431, "HeadersTooLarge"),
    (500, "Internal"),
    (503, "Unavailable"),
    (504, "Timeout"),
];

/// The header and the parameter that identify a request.
const REQUEST_ID: &str = "x-request-id";

/// Adds what all operations share.
pub struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, schema) in &mut components.schemas {
            // Views have all their members in every answer; what is not known is null.
            if *name != Problem::name() {
                require_all(schema);
            }
            if [SearchEvent::name(), NetworkEvent::name()].contains(&name.as_str().into()) {
                write_data(schema);
            }
        }
        for (status, name) in EVERYWHERE {
            components.responses.insert(name.to_owned(), response(status).into());
        }
        declare(components);
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.put].into_iter().flatten() {
                complete(operation);
            }
            let body = item.put.as_mut().and_then(|put| put.request_body.as_mut());
            if let Some(RefOr::T(body)) = body {
                // None is a file without bytes.
                body.required = Some(Required::False);
            }
            let Some(get) = &item.get else { continue };
            item.head = Some(head(get));
            item.options = Some(options(get));
            let common = ["RequestId", "TraceParent"];
            let reference = |name| RefOr::Ref(Ref::new(format!("#/components/parameters/{name}")));
            item.parameters = Some(common.map(reference).to_vec());
        }
    }
}

fn require_all(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            object.required = object.properties.keys().cloned().collect();
            object.properties.values_mut().for_each(require_all);
        }
        Schema::AllOf(all) => all.items.iter_mut().for_each(require_all),
        Schema::OneOf(one) => one.items.iter_mut().for_each(require_all),
        _ => {}
    }
}

/// A server-sent event is a text, and so is its data: of JSON, whose schema is that of the event.
fn write_data(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::OneOf(events)) = schema else { return };
    for event in &mut events.items {
        if let RefOr::T(Schema::Object(event)) = event
            && let Some(data) = event.properties.get_mut("data")
        {
            let json = std::mem::take(data);
            *data = ObjectBuilder::new()
                .schema_type(Type::String)
                .content_media_type("application/json")
                .content_schema(Some(json))
                .into();
        }
    }
}

/// The kinds of problems that have this status.
fn kinds(status: u16) -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(move |kind| kind.status() == status)
}

/// What any request can meet with this status.
fn response(status: u16) -> Response {
    let slugs: Vec<String> = kinds(status).map(|kind| format!("`{}`", kind.slug())).collect();
    let mut response = failure(format!("A problem: {}.", slugs.join(", ")));
    if matches!(status, 429 | 503) {
        response = response.header("Retry-After", text("Seconds until asking again makes sense."));
    }
    identified(response.build())
}

fn identified(mut response: Response) -> Response {
    response.headers.insert(REQUEST_ID.to_owned(), RefOr::Ref(Ref::new("#/components/headers/RequestId")));
    response
}

fn declare(components: &mut Components) {
    let answered = text("The request's identifier: the caller's, or a new one. Logs have it, too.");
    components.headers.insert("RequestId".to_owned(), answered.into());
    let id = "Identifies the request; at most 128 visible ASCII characters, else a new one is made.";
    let trace = "The trace that the request belongs to, as W3C's Trace Context has it; passed on and logged.";
    components.parameters.insert("RequestId".to_owned(), header(REQUEST_ID, id).into());
    components.parameters.insert("TraceParent".to_owned(), header("traceparent", trace).into());
}

fn complete(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            never_null(parameter);
        }
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            *response = identified(std::mem::take(response));
        }
    }
    for (status, name) in EVERYWHERE {
        let reference = Ref::new(format!("#/components/responses/{name}"));
        operation.responses.responses.entry(status.to_string()).or_insert(reference.into());
    }
}

/// A parameter that need not be there is left out, and never null.
fn never_null(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema
        && let SchemaType::Array(types) = &mut object.schema_type
    {
        types.retain(|of| *of != Type::Null);
        if let [of] = types.as_slice() {
            object.schema_type = SchemaType::Type(of.clone());
        }
    }
}

/// As `GET`, without a body, and never of a part.
fn head(get: &Operation) -> Operation {
    let mut head = get.clone();
    head.operation_id = get.operation_id.as_ref().map(|id| id.replacen("get", "head", 1));
    head.summary = Some(format!("{}, without the body", get.summary.as_deref().unwrap_or_default()));
    head.description = Some("What `GET` answers, without the body.".to_owned());
    if let Some(parameters) = &mut head.parameters {
        let part = ["Range", "If-Range"];
        parameters.retain(|one| !matches!(one, RefOr::T(one) if part.contains(&one.name.as_str())));
    }
    for status in ["206", "416"] {
        head.responses.responses.remove(status);
    }
    head
}

fn options(get: &Operation) -> Operation {
    let mut options = Operation::new();
    options.tags = get.tags.clone();
    options.operation_id = get.operation_id.as_ref().map(|id| id.replacen("get", "options", 1));
    options.summary = Some("The methods of this resource".to_owned());
    options.description = Some("`Allow` has them. The resource itself is not looked at.".to_owned());
    let in_path =
        |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Path);
    let parameters = get.parameters.iter().flatten().filter(|one| in_path(one)).cloned();
    options.parameters = Some(parameters.collect()).filter(|all: &Vec<_>| !all.is_empty());
    let allowed = ResponseBuilder::new()
        .description("They are in `Allow`.")
        .header("Allow", text("The methods of this resource."));
    options.responses = ResponsesBuilder::new().response("204", allowed.build()).build();
    if options.parameters.is_some() {
        let impossible = failure("`file-not-found`: no file can have this name.");
        options.responses.responses.insert("404".to_owned(), impossible.build().into());
    }
    complete(&mut options);
    options
}
