//! `GET /api/v1/config`: what this peer runs with, and where each value came from.

use chord_client::views::{ConfigValue, ConfigView};
use warp::reply::Response;

use super::problem::Problem;
use super::{Gateway, reply};
use crate::config::{Setting, Shown};

/// This peer's configuration
///
/// All keys with their values, and where each value came from, as `chord-peer config show` has them: that of the process
/// which serves this.
#[utoipa::path(get, path = "/api/v1/config", operation_id = "getConfig", tag = "operation",
    responses((status = 200, description = "The configuration.", body = ConfigView)))]
pub fn get(gateway: &Gateway) -> Result<Response, Problem> {
    reply::json(&gateway.config)
}

/// In the words of the interface.
pub(super) fn view(shown: Shown) -> ConfigView {
    let file = shown.file.map(|file| file.display().to_string());
    let origin = |origin: String| match &file {
        Some(file) if *file == origin => format!("file {origin}"),
        _ => origin,
    };
    let value = |Setting { key, value, origin: from }| ConfigValue {
        key: key.to_owned(),
        value,
        origin: origin(from),
    };
    ConfigView { values: shown.settings.into_iter().map(value).collect(), file }
}
