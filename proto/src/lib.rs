//! The wire of Chordial: generated messages and services, and [`convert`], the only place where the
//! wire's vocabulary and the core's meet.

/// Generated code, nested as the packages are.
#[allow(missing_docs, clippy::all)]
mod wire {
    pub mod chord {
        pub mod v1 {
            tonic::include_proto!("chord.v1");
        }
    }
    pub mod catalog {
        pub mod v1 {
            tonic::include_proto!("catalog.v1");
        }
    }
    pub mod metrics {
        pub mod v1 {
            tonic::include_proto!("metrics.v1");
        }
    }
    pub mod transfer {
        pub mod v1 {
            tonic::include_proto!("transfer.v1");
        }
    }
}

pub mod convert;

/// The files of one peer's directory.
pub use wire::catalog::v1 as catalog_v1;
/// Ring, index and node.
pub use wire::chord::v1 as chord_v1;
/// What a process counts.
pub use wire::metrics::v1 as metrics_v1;
/// Echo services and real transfers.
pub use wire::transfer::v1 as transfer_v1;

/// The encoded `FileDescriptorSet` of all packages, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
