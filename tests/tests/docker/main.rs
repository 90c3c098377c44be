//! deploy/ for real: the image, swarms of several hosts, AWS played by a mock, the unit of systemd, and the
//! commands of the deliverables.

mod aws;
mod entrega;
mod image;
mod lab;
mod swarm;
mod systemd;
