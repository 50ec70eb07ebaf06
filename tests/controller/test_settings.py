from __future__ import annotations

import os
import socket

import pytest

from lossgate.controller.settings import Settings


def test_defaults_are_fit_for_a_process_outside_a_cluster() -> None:
    settings = Settings.from_environment({})
    assert settings.namespace == "default"
    assert settings.identity == f"{socket.gethostname()}-{os.getpid()}"
    assert settings.watch_namespaces == ()
    assert settings.prometheus_url is None
    assert settings.prometheus_allowed == ()
    assert (settings.http_port, settings.log_level) == (8080, "INFO")


def test_everything_can_be_set() -> None:
    settings = Settings.from_environment(
        {
            "LOSSGATE_NAMESPACE": "lossgate",
            "LOSSGATE_POD_NAME": "lossgate-0",
            "LOSSGATE_WATCH_NAMESPACES": "ml, ml-staging,",
            "LOSSGATE_PROMETHEUS_URL": "http://prometheus:9090/",
            "LOSSGATE_PROMETHEUS_ALLOWED": "http://a:9090/prom/ , http://b:9090",
            "LOSSGATE_HTTP_PORT": "9000",
            "LOSSGATE_LOG_LEVEL": "DEBUG",
        }
    )
    assert settings == Settings(
        namespace="lossgate",
        identity="lossgate-0",
        watch_namespaces=("ml", "ml-staging"),
        prometheus_url="http://prometheus:9090",
        prometheus_allowed=("http://a:9090/prom", "http://b:9090"),
        http_port=9000,
        log_level="DEBUG",
    )


def test_variables_that_a_chart_leaves_empty_count_as_not_set() -> None:
    names = ("NAMESPACE", "POD_NAME", "WATCH_NAMESPACES", "PROMETHEUS_URL", "PROMETHEUS_ALLOWED", "HTTP_PORT")
    assert Settings.from_environment({f"LOSSGATE_{name}": "" for name in names}) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://prometheus:9090", True),
        ("http://prometheus:9090/", True),
        ("http://a:9090/prom", True),
        ("http://a:9090", False),
        ("http://a:9090/prom/other", False),
        ("", False),
    ],
)
def test_only_urls_on_the_list_are_allowed(url: str, allowed: bool) -> None:
    settings = Settings("x", "y", prometheus_url="http://prometheus:9090", prometheus_allowed=("http://a:9090/prom",))
    assert settings.allows(url) is allowed
