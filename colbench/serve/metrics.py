"""What Prometheus reads: requests, seconds by stage, what is at work, what is served."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Counts of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "colbench_requests",
            "Requests by path and status.",
            ["path", "status"],
            registry=self.registry,
        )
        self._request = Histogram(
            "colbench_request_seconds",
            "Seconds of a search request, from its whole body to its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "colbench_stage_seconds",
            "Seconds of a search request by stage: filter, encode, search, bm25, texts.",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.at_work = Gauge(
            "colbench_requests_at_work",
            "Search requests that are answered or wait.",
            registry=self.registry,
        )
        self._documents = Gauge(
            "colbench_documents", "Documents that are searched.", registry=self.registry
        )
        self._version = Gauge(
            "colbench_index_version", "Version that is searched.", registry=self.registry
        )

    def answered(self, path: str, status: int) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()

    def searched(self, seconds: float, stages: Mapping[str, float]) -> None:
        """Count the seconds of a search."""
        self._request.observe(seconds)
        for stage, took in stages.items():
            self._stages.labels(stage).observe(took)

    def text(self, *, documents: int, version: int) -> bytes:
        """Return all of it in Prometheus' text format."""
        self._documents.set(documents)
        self._version.set(version)
        return bytes(generate_latest(self.registry))
