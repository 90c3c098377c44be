//! Compiles the .proto files in pure Rust (protox), so that no system `protoc` is needed.
use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "chord/v1/query.proto",
        "chord/v1/ring.proto",
        "chord/v1/index.proto",
        "chord/v1/diagnosis.proto",
        "chord/v1/events.proto",
        "chord/v1/node.proto",
        "catalog/v1/catalog.proto",
        "metrics/v1/metrics.proto",
        "transfer/v1/dummy.proto",
        "transfer/v1/transfer.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".transfer.v1").compile_fds(descriptors)?;
    Ok(())
}
