//! `metrics.v1.MetricsService`, on every gRPC port.

use chordial_proto::metrics_v1::metrics_service_server::{self, MetricsService, MetricsServiceServer};
use chordial_proto::metrics_v1::{GetMetricsRequest, GetMetricsResponse};
use tonic::{Request, Response, Status};

use super::Metrics;

/// The full name of the service.
pub const NAME: &str = metrics_service_server::SERVICE_NAME;

/// Largest question that is taken in, bytes: it has no field.
const MAX_MESSAGE: usize = 1024;

/// Answers with what this process counts.
#[derive(Debug)]
pub struct MetricsApi(Metrics);

impl MetricsApi {
    /// The service, to be added to a server.
    pub fn service(metrics: Metrics) -> MetricsServiceServer<MetricsApi> {
        MetricsServiceServer::new(MetricsApi(metrics)).max_decoding_message_size(MAX_MESSAGE)
    }
}

#[tonic::async_trait]
impl MetricsService for MetricsApi {
    async fn get_metrics(
        &self,
        _: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let text = self.0.text().map_err(|_| Status::internal("a metric has no text form"))?;
        Ok(Response::new(GetMetricsResponse { text }))
    }
}
