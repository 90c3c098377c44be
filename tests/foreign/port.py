"""One gRPC port of a peer, known only by what it tells of itself: no generated code, no .proto file."""

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# Seconds that a call may take.
DEADLINE = 20


class Port:
    def __init__(self, url):
        self.channel = grpc.insecure_channel(url.removeprefix("http://"))
        self._reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self._pool = descriptor_pool.DescriptorPool(self._reflection)
        self._health = health_pb2_grpc.HealthStub(self.channel)

    def services(self):
        """The full names of all services, as reflection lists them."""
        return set(self._reflection.get_services())

    def methods(self, service):
        """The names of a service's methods."""
        return {method.name for method in self._pool.FindServiceByName(service).methods}

    def health(self, service=""):
        """The name of the status of a service, or of the process."""
        request = health_pb2.HealthCheckRequest(service=service)
        status = self._health.Check(request, timeout=DEADLINE).status
        return health_pb2.HealthCheckResponse.ServingStatus.Name(status)

    def watch_health(self, service=""):
        """The stream of statuses."""
        return self._health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE)

    def call(self, method, requests=None, timeout=DEADLINE, **fields):
        """Calls `package.Service/Method`. A streaming answer comes as an iterator; a streaming request is
        taken from `requests`, each the fields of one message."""
        service, name = method.split("/")
        found = self._pool.FindServiceByName(service).FindMethodByName(name)
        request = message_factory.GetMessageClass(found.input_type)
        answer = message_factory.GetMessageClass(found.output_type)
        kind = {(False, False): "unary_unary", (False, True): "unary_stream", (True, False): "stream_unary"}
        stub = getattr(self.channel, kind[found.client_streaming, found.server_streaming])(
            f"/{method}", request_serializer=request.SerializeToString, response_deserializer=answer.FromString
        )
        given = (request(**each) for each in requests) if found.client_streaming else request(**fields)
        return stub(given, timeout=timeout)


def refused(code, *words):
    """The call within must fail with this code, and with these words in its message."""
    return _Refused(code, words)


class _Refused:
    def __init__(self, code, words):
        self.code, self.words = code, words

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert isinstance(error, grpc.RpcError), f"expected {self.code}, but: {error!r}"
        assert error.code() == self.code, f"expected {self.code}, but: {error.code()} {error.details()}"
        missing = [word for word in self.words if word not in error.details()]
        assert not missing, f"{missing} not in {error.details()!r}"
        return True
