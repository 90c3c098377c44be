//! A peer's configuration.

use serde::{Deserialize, Serialize};

/// `GET /api/v1/config`: what a peer runs with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigView {
    /// The path of its configuration file, as it was given; null where it has none.
    pub file: Option<String>,
    /// All keys.
    pub values: Vec<ConfigValue>,
}

/// One key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigValue {
    /// Its name, sections joined by dots: `ports.gateway`.
    pub key: String,
    /// As one would type it; empty: not set.
    pub value: String,
    /// `default`, `file PATH`, `environment NAME` or `flag --NAME`.
    pub origin: String,
}
