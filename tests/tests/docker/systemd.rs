//! The unit of systemd.
