from __future__ import annotations

import os
import re
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


def test_the_operators_own_access_can_be_set() -> None:
    settings = Settings.from_environment(
        {
            "LOSSGATE_PROMETHEUS_URL": "https://prometheus.example.com/prom/",
            "LOSSGATE_PROMETHEUS_HEADERS": '{"X-Scope-OrgID": "a|b", "X-A": "1"}',
            "LOSSGATE_PROMETHEUS_USERNAME_FILE": "/etc/prometheus/username",
            "LOSSGATE_PROMETHEUS_PASSWORD_FILE": "/etc/prometheus/password",
            "LOSSGATE_PROMETHEUS_CA_FILE": "/etc/prometheus/ca.crt",
        }
    )
    assert settings.prometheus_headers == (("X-A", "1"), ("X-Scope-OrgID", "a|b"))
    assert settings.prometheus_username_file == "/etc/prometheus/username"
    assert settings.prometheus_password_file == "/etc/prometheus/password"
    assert settings.prometheus_ca_file == "/etc/prometheus/ca.crt"
    assert settings.has_credentials
    token = Settings.from_environment({"LOSSGATE_PROMETHEUS_TOKEN_FILE": "/var/run/token"})
    assert token.prometheus_token_file == "/var/run/token"
    assert token.has_credentials
    assert not Settings.from_environment({"LOSSGATE_PROMETHEUS_TOKEN_FILE": ""}).has_credentials


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"URL": "https://me:s3cr3t@prometheus"}, "LOSSGATE_PROMETHEUS_URL: write the base URL"),
        ({"URL": "https://prometheus/?token=s3cr3t"}, "LOSSGATE_PROMETHEUS_URL: write the base URL"),
        ({"URL": "prometheus:9090"}, "LOSSGATE_PROMETHEUS_URL: write the base URL"),
        ({"HEADERS": "X-Scope-OrgID: s3cr3t"}, "LOSSGATE_PROMETHEUS_HEADERS: write a JSON object"),
        ({"HEADERS": '["s3cr3t"]'}, "LOSSGATE_PROMETHEUS_HEADERS: write a JSON object"),
        ({"HEADERS": '{"X-Scope-OrgID": 1}'}, "LOSSGATE_PROMETHEUS_HEADERS: write a JSON object"),
        ({"HEADERS": '{"X-A": "s3cr3t\\r\\nX-B: 1"}'}, "the value of the header X-A"),
        ({"HEADERS": '{"X A": "s3cr3t"}'}, "'X A' is no header"),
        ({"HEADERS": '{"Authorization": "s3cr3t"}'}, "credentials are read from files"),
        ({"USERNAME_FILE": "/a"}, "set both LOSSGATE_PROMETHEUS_USERNAME_FILE"),
        ({"PASSWORD_FILE": "/a"}, "set both LOSSGATE_PROMETHEUS_USERNAME_FILE"),
        ({"TOKEN_FILE": "/a", "USERNAME_FILE": "/b", "PASSWORD_FILE": "/c"}, "not both"),
    ],
)
def test_settings_that_cannot_be_meant_stop_the_start(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        Settings.from_environment({f"LOSSGATE_PROMETHEUS_{name}": value for name, value in environment.items()})
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://prometheus.example.com",
        "https://PROMETHEUS.example.com",
        "https://prometheus.example.com.",
        "https://prometheus.example.com:443",
        "https://prometheus.example.com/.",
        "https://prometheus.example.com/./",
        "https://prometheus.example.com/a/..",
        "https://prometheus.example.com//prom",
        "https://prometheus.example.com/%70rom",
        "https://prometheus.example.com/prom/..",
        "https://prometheus.example.com/prom/.",
        "https://prometheus.example.com/prom?a",
        "https://prometheus.example.com/prom#a",
        "https://prometheus.example.com\\@evil.example",
        "https://evil.example\\@prometheus.example.com",
        "https://a@prometheus.example.com",
        "https://prometheus.example.com@evil.example",
        "https://prometheus.example.com/prom\n",
        " https://prometheus.example.com/prom",
        "https://prometheus.example.com/prom\x00",
        "https://prometheus.example.com,https://evil.example",
        "https://prometheus.example.c\u03bfm",
        "//prometheus.example.com/prom",
        "https:prometheus.example.com/prom",
        "/",
        "//",
    ],
)
def test_other_spellings_of_a_listed_address_are_refused(url: str) -> None:
    settings = Settings(
        "x",
        "y",
        prometheus_url="https://prometheus.example.com",
        prometheus_allowed=("https://prometheus.example.com/prom",),
    )
    assert not settings.allows(url)
    assert not Settings("x", "y").allows(url), "without a list nothing is allowed"


def test_no_text_of_the_settings_holds_a_header() -> None:
    assert "s3cr3t" not in repr(Settings("x", "y", prometheus_headers=(("X-A", "s3cr3t"),)))
