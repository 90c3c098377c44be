//! The commands of docs/entrega/, run as they are written there.
