"""The error rate of one version among endpoints of one Envoy cluster, on a real Prometheus."""

from __future__ import annotations

import pytest

from lossgate.measure.access import Access
from lossgate.measure.envoy_gateway import error_rate
from lossgate.measure.instant import PrometheusInstant
from lossgate.measure.source import InstantAnswer, InstantRequest, NoNumber, Number
from tests.measure.prometheus_server import PrometheusServer

AT = 1_700_000_000
CANARY, STABLE = "10.0.0.1:8080", "10.0.0.2:8080"


def test_version_without_endpoints_has_no_query() -> None:
    with pytest.raises(ValueError, match="no endpoint"):
        error_rate("ml", "digits", [], 30)


def test_query_is_confined_to_the_route_of_the_namespace() -> None:
    query = error_rate("ml", "digits", [CANARY, "[fd00::1]:8080"], 30)
    assert query.count(r'envoy_cluster_name=~"httproute/ml/digits/rule/[0-9]+(/backend/[0-9]+)?"') == 3
    assert query.count(r'envoy_endpoint_address=~"10\\.0\\.0\\.1:8080|\\[fd00::1\\]:8080"') == 3
    assert query.count("[30s]") == 3


def series(prometheus: PrometheusServer, cluster: str, endpoint: str, proxy: str, errors: int, successes: int) -> None:
    """Counts that rise steadily by so many within the last minute."""
    for counter, rise in (("rq_error", errors), ("rq_success", successes)):
        labels = {
            "__name__": f"envoy_cluster_endpoint_{counter}",
            "envoy_cluster_name": cluster,
            "envoy_endpoint_address": endpoint,
            "pod": proxy,
            "namespace": "envoy-gateway-system",
        }
        prometheus.write([(labels, [(AT - 120 + 10 * step, 7.0 + rise / 6 * step) for step in range(13)])])


async def asked(prometheus: PrometheusServer, namespace: str, *endpoints: str) -> InstantAnswer:
    source = PrometheusInstant()
    query = error_rate(namespace, "digits", endpoints, 60)
    answer = await source.instant(InstantRequest(Access(prometheus.url), query, AT))
    await source.close()
    return answer


@pytest.mark.prometheus
async def test_requests_of_one_version_are_told_from_those_of_the_other(prometheus: PrometheusServer) -> None:
    cluster = "httproute/egw/digits/rule/0"
    for proxy in ("proxy-1", "proxy-2"):
        series(prometheus, cluster, CANARY, proxy, errors=6, successes=54)
        series(prometheus, cluster, STABLE, proxy, errors=0, successes=600)
    series(prometheus, "httproute/egw/digits-b/rule/0", CANARY, "proxy-1", errors=600, successes=0)
    series(prometheus, "httproute/egw2/digits/rule/0", CANARY, "proxy-1", errors=600, successes=0)
    canary, stable = await asked(prometheus, "egw", CANARY), await asked(prometheus, "egw", STABLE)
    assert isinstance(canary, Number)
    assert canary.value == pytest.approx(0.1)
    assert stable == Number(0.0)


@pytest.mark.prometheus
async def test_backend_with_a_cluster_of_its_own_is_found(prometheus: PrometheusServer) -> None:
    series(prometheus, "httproute/egb/digits/rule/0/backend/1", CANARY, "proxy-1", errors=0, successes=60)
    assert await asked(prometheus, "egb", CANARY) == Number(0.0)


@pytest.mark.prometheus
@pytest.mark.parametrize(("errors", "successes"), [(1, 2), (0, 12), (0, 0)])
async def test_field_report_14_few_requests_neither_pass_nor_fail(
    prometheus: PrometheusServer, errors: int, successes: int
) -> None:
    namespace = f"egf{errors}{successes}"
    series(prometheus, f"httproute/{namespace}/digits/rule/0", CANARY, "proxy-1", errors, successes)
    assert isinstance(await asked(prometheus, namespace, CANARY), NoNumber)


@pytest.mark.prometheus
async def test_without_metrics_per_endpoint_there_is_nothing(prometheus: PrometheusServer) -> None:
    assert isinstance(await asked(prometheus, "egn", CANARY), NoNumber)
