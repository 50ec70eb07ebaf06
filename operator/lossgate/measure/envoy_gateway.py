"""What Envoy Gateway can tell of one version.

It sends all backends of a route's rule through one Envoy cluster, `httproute/<namespace>/<name>/rule/<number>`
(irRouteDestinationName in its internal/gatewayapi/helpers.go, v1.9.1), so nothing that Envoy counts per cluster tells
the versions apart, latency (`envoy_cluster_upstream_rq_time`) above all. Only backends that cannot share a cluster get
one each, with `/backend/<number>` behind the name (NeedsClusterPerSetting in its internal/ir/xds.go).

With `enablePerEndpointStats` in EnvoyProxy (api/v1alpha1/envoyproxy_metric_types.go; track_cluster_stats in Envoy) it
counts requests per endpoint: `envoy_cluster_endpoint_rq_error` and `envoy_cluster_endpoint_rq_success`, with the labels
`envoy_cluster_name` and `envoy_endpoint_address` (ALL_HOST_STATS in Envoy's envoy/upstream/host_description.h; seen so
on Envoy 1.39.1). `rq_error` holds 5xx answers, time-outs and refused or broken connections, and tries that were
repeated. `rq_total` is no denominator: a request whose connection was refused is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable

from lossgate.measure.promql import matching_any, quoted, regex_literal

MIN_REQUESTS = 20
"""With fewer in an interval one error is a large share, and no error shows little: nothing is said of them."""


def error_rate(namespace: str, route: str, addresses: Iterable[str], interval_seconds: int) -> str:
    """Return the query for the share of requests to these endpoints (`address:port`) that failed within an interval.

    It has no value below `MIN_REQUESTS` requests. The name of the cluster confines it to one route of one namespace.

    Raises:
        ValueError: No address: the matcher would be that of no endpoint.
    """
    endpoints = tuple(addresses)
    if not endpoints:
        raise ValueError("the version has no endpoint")
    cluster = f"httproute/{regex_literal(namespace)}/{regex_literal(route)}/rule/[0-9]+(/backend/[0-9]+)?"
    matchers = f"envoy_cluster_name=~{quoted(cluster)}, {matching_any('envoy_endpoint_address', endpoints)}"

    def risen(counter: str) -> str:
        return f"sum(increase({counter}{{{matchers}}}[{interval_seconds}s]))"

    errors, successes = risen("envoy_cluster_endpoint_rq_error"), risen("envoy_cluster_endpoint_rq_success")
    return f"{errors} / ({errors} + {successes} >= {MIN_REQUESTS})"
