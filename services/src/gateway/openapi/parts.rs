//! What several operations share: the headers that ask for bytes of a file, the answers with such bytes, and the
//! schemas of bodies that no type here describes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, SchemaType,
    Type,
};
use utoipa::openapi::{Object, RefOr, Required};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

use crate::gateway::content::Choice;
use crate::gateway::problem::{Kind, Problem};

/// Headers of a request for bytes of a file.
pub struct Conditions;

impl IntoParams for Conditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            header("If-Match", "`ETag`s of what you want; none of them is there: 412."),
            header("If-Unmodified-Since", "It was changed after this date: 412. `If-Match` goes before it."),
            header("If-None-Match", "`ETag`s of what you have; one of them is there: 304."),
            header("If-Modified-Since", "When you got what you have. `If-None-Match` goes before it."),
            header(
                "Range",
                "`bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`. Anything else means the whole file.",
            ),
            header("If-Range", "The `ETag` or date of what you have; the range is only of that very state."),
        ]
    }
}

/// Answers with bytes of a file, or instead of them.
pub struct FileBytes;

impl IntoResponses for FileBytes {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let validators = |description: &str| {
            ResponseBuilder::new()
                .description(description)
                .header("ETag", text("Strong: the file's BLAKE3 digest. Weak as long as that is not known."))
                .header("Last-Modified", text("Left out in the second of a change."))
        };
        let bytes = |description: &str| {
            validators(description)
                // Of any form: no schema.
                .content("*/*", ContentBuilder::new().build())
                .header("Accept-Ranges", text("`bytes`."))
                .header(
                    "Content-Disposition",
                    text("`attachment`, with the file's name, where it is to be saved."),
                )
        };
        let part = bytes("The part asked for. The media type is that of the file, by its name.")
            .header("Content-Range", text("Which bytes these are, and of how many."));
        let beyond = failure("`range-not-satisfiable`: no byte of the range lies in the file.")
            .header("Content-Range", text("`bytes */SIZE`."));
        BTreeMap::from([
            ("200".to_owned(), bytes("The file. The media type is its own, by its name.").build().into()),
            ("206".to_owned(), part.build().into()),
            ("304".to_owned(), validators("You have it.").build().into()),
            ("412".to_owned(), failure("`precondition-failed`: it is in another state.").build().into()),
            ("416".to_owned(), beyond.build().into()),
        ])
    }
}

/// What only another build changes: its conditions, and the answers to these.
pub struct Lasting;

impl IntoParams for Lasting {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            header("If-Match", "`ETag`s of what you want; none of them is there: 412."),
            header("If-None-Match", "`ETag`s of what you have; one of them is there: 304."),
        ]
    }
}

impl IntoResponses for Lasting {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let had =
            ResponseBuilder::new().description("You have it.").header("ETag", text("The one that you have."));
        let other = failure("`precondition-failed`: it is in another state.");
        BTreeMap::from([("304".to_owned(), had.build().into()), ("412".to_owned(), other.build().into())])
    }
}

/// A header of a request, which need not be there.
pub fn header(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}

/// A problem.
pub fn failure(description: impl Into<String>) -> ResponseBuilder {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content)
}

/// A header that is a text.
pub fn text(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(Object::with_type(Type::String))).description(Some(description)).build()
}

/// Any bytes.
pub struct FileBody;

impl PartialSchema for FileBody {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).into()
    }
}

impl ToSchema for FileBody {
    fn name() -> Cow<'static, str> {
        "FileBody".into()
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let string =
            |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let types: Vec<String> = Kind::ALL.iter().map(|kind| format!("/problems/{}", kind.slug())).collect();
        let status = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("The status of the answer."))
            .minimum(Some(300))
            .maximum(Some(599));
        let choices = ArrayBuilder::new()
            .items(Ref::from_schema_name(Choice::name()))
            .description(Some("Of `several-contents` alone: these contents."));
        ObjectBuilder::new()
            .description(Some("An error, as RFC 9457 has it."))
            .property("type", string("What went wrong, for programs.").enum_values(Some(types)))
            .property("title", string("The same, for people."))
            .property("status", status)
            .property("detail", string("What happened, to which thing, and what to do now."))
            .property("instance", string("The path of the request."))
            .property("choices", choices)
            .required("type")
            .required("title")
            .required("status")
            .required("detail")
            .required("instance")
            .into()
    }
}

impl ToSchema for Problem {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Choice::name().into_owned(), Choice::schema()));
        Choice::schemas(schemas);
    }
}

/// A JSON object of which nothing more is said here.
pub struct AnyObject;

impl PartialSchema for AnyObject {
    fn schema() -> RefOr<Schema> {
        let anything = AdditionalProperties::FreeForm(true);
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Object))
            .additional_properties(Some(anything))
            .into()
    }
}

impl ToSchema for AnyObject {
    fn name() -> Cow<'static, str> {
        "AnyObject".into()
    }
}
