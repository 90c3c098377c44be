//! The methods of all gRPC services that a port may have, from their descriptors.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::FileDescriptorSet;

/// What all others are called.
pub(super) const OTHER: &str = "other";

/// Whether a method is a stream, by `package.Service/Method`.
pub(super) static METHODS: LazyLock<HashMap<String, bool>> = LazyLock::new(|| {
    let sets = [
        chordial_proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    // They are part of this program; a test reads them.
    let files = sets.iter().filter_map(|set| FileDescriptorSet::decode(*set).ok()).flat_map(|set| set.file);
    let mut methods = HashMap::new();
    for file in files {
        for service in &file.service {
            for method in &service.method {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                methods.insert(name, method.client_streaming() || method.server_streaming());
            }
        }
    }
    methods
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known() {
        for (name, streams) in [
            ("chord.v1.ChordService/NextHop", false),
            ("catalog.v1.CatalogService/Watch", true),
            ("transfer.v1.TransferService/Upload", true),
            ("metrics.v1.MetricsService/GetMetrics", false),
            ("grpc.health.v1.Health/Check", false),
            ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true),
        ] {
            assert_eq!(METHODS.get(name), Some(&streams), "{name}");
        }
        assert_eq!(METHODS.get(OTHER), None);
    }
}
