"""How a question is let in: headers, credentials, authorities, over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from lossgate.measure import prometheus as prometheus_module
from lossgate.measure.access import Access
from lossgate.measure.batching import BatchingSource
from lossgate.measure.errors import AccessDenied, NoAccess, SourceUnavailable
from lossgate.measure.prometheus import QUERIES_AT_ONCE_PER_URL, PrometheusSource
from lossgate.measure.session import CheckedSession
from lossgate.measure.source import LookAnswer, LookRequest, Scope
from lossgate.measure.trust import PrivateTrust, context_of
from tests.measure.certificates import Authority
from tests.measure.fake_server import Answer, FakeServer, Request, success, wanting
from tests.measure.requests_made import CANARY, NAMES, STABLE, a_request

SECRET = "s3cr3t-9d1f"


def a_look(access: Access, **changes: Any) -> LookRequest:
    return replace(a_request(), scope=Scope(access, NAMES, "revision"), **changes)


async def ask(source: PrometheusSource, access: Access) -> LookAnswer:
    return await source.looks(a_look(access))


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


# Field report 8: a tenant header, a bearer token, basic auth and a private authority.
@pytest.mark.parametrize(
    ("access", "header", "value"),
    [
        (Access("", (("X-Scope-OrgID", "ml|vision"),)), "X-Scope-OrgID", "ml|vision"),
        (Access("", token=SECRET), "Authorization", f"Bearer {SECRET}"),
        (Access("", username="ml", password=f"{SECRET}:ä"), "Authorization", basic("ml", f"{SECRET}:ä")),
    ],
    ids=["tenant", "token", "password"],
)
async def test_field_report_8_it_is_let_in(source: PrometheusSource, access: Access, header: str, value: str) -> None:
    with FakeServer(wanting(header, value, success([]))) as server:
        await ask(source, replace(access, url=server.url))
        with pytest.raises(AccessDenied, match="HTTP 401") as denied:
            await ask(source, Access(server.url))
    assert "loss.prometheus.secretRef" in str(denied.value)


async def test_field_report_8_a_private_authority_is_trusted_and_no_other(
    source: PrometheusSource, authority: Authority, stranger: Authority
) -> None:
    with FakeServer(success([]), tls=authority.serving()) as server:
        await ask(source, Access(server.url, ca_pem=authority.pem))
        for pem in (None, stranger.pem):
            with pytest.raises(SourceUnavailable, match=r"its certificate is not trusted: .*caRef"):
                await ask(source, Access(server.url, ca_pem=pem, token=SECRET))
    assert len(server.requests) == 1, "nothing is sent to a server that is not trusted"


async def test_an_authority_of_its_own_takes_the_public_ones_away(
    source: PrometheusSource, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "public.pem"
    bundle.write_text(authority.pem)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(bundle))
    with FakeServer(success([]), tls=authority.serving()) as server:
        await ask(source, Access(server.url))
        with pytest.raises(SourceUnavailable, match="not trusted"):
            await ask(source, Access(server.url, ca_pem=stranger.pem))


async def test_a_certificate_for_another_host_is_not_trusted(source: PrometheusSource, tmp_path: Path) -> None:
    authority = Authority(tmp_path, host="DNS:prometheus.example.com")
    mismatch = pytest.raises(SourceUnavailable, match=r"not trusted: .*mismatch")
    with FakeServer(success([]), tls=authority.serving()) as server, mismatch:
        await ask(source, Access(server.url, ca_pem=authority.pem))
    assert server.requests == []


@pytest.mark.parametrize("switch_off", ["session", "request"])
def test_verification_cannot_be_switched_off(authority: Authority, stranger: Authority, switch_off: str) -> None:
    with FakeServer(success([]), tls=authority.serving()) as server:
        session = requests.Session()
        session.mount(server.url, PrivateTrust(context_of(stranger.pem)))
        session.verify = switch_off != "session"
        with pytest.raises(requests.exceptions.SSLError):
            session.get(server.url, verify=switch_off != "request")


@pytest.mark.parametrize(
    "pem", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_what_is_no_authority_is_said(source: PrometheusSource, pem: str) -> None:
    with pytest.raises(SourceUnavailable, match=r"the certificates to trust cannot be used: it holds no certificate"):
        await ask(source, Access("https://127.0.0.1:1", ca_pem=pem))


# Field report 10: a prefix, as Mimir's /prometheus, with the slash that people write at the end.
@pytest.mark.parametrize("path", ["", "/", "/prometheus", "/prometheus/", "/tenant/a//"])
async def test_field_report_10_prefix_and_trailing_slash(
    source: PrometheusSource, authority: Authority, path: str
) -> None:
    for tls, pem in ((None, None), (authority.serving(), authority.pem)):
        with FakeServer(success([]), tls=tls) as server:
            await ask(source, Access(server.url + path, (("X-Scope-OrgID", "1"),), token=SECRET, ca_pem=pem))
        assert server.requests[0].path == path.rstrip("/") + "/api/v1/query_range"
        assert server.requests[0].headers["Authorization"] == f"Bearer {SECRET}"


async def test_field_report_10_nothing_matched_is_said(source: PrometheusSource) -> None:
    with FakeServer(success([])) as server:
        answer = await ask(source, Access(server.url + "/prometheus/"))
    assert "0 series matched" in answer.arms[STABLE][0].message  # type: ignore[union-attr]


async def test_a_redirect_gets_neither_question_nor_credentials(source: PrometheusSource) -> None:
    with FakeServer(success([])) as elsewhere:
        for status in (301, 302, 307, 308):
            answer = Answer(status, b"", {"Location": elsewhere.url + "/login"})
            with FakeServer(answer) as server, pytest.raises(SourceUnavailable, match="it redirects"):
                await ask(source, Access(server.url, (("X-Scope-OrgID", "1"),), token=SECRET))
    assert elsewhere.requests == []


async def test_accesses_do_not_share_connections_or_credentials(source: PrometheusSource) -> None:
    with FakeServer(success([])) as server:
        for token in ("one", "two", None, "one"):
            await ask(source, Access(server.url, token=token))
    sent = [request.headers.get("Authorization") for request in server.requests]
    assert sent == ["Bearer one", "Bearer two", None, "Bearer one"]


async def test_rollouts_with_the_same_access_share_a_query_and_others_do_not(source: PrometheusSource) -> None:
    batching = BatchingSource(source)
    with FakeServer(success([])) as server:
        same = [Access(server.url, (("X-Scope-OrgID", "a"),), token=SECRET) for _ in range(2)]
        other = Access(server.url, (("X-Scope-OrgID", "b"),), token=SECRET)
        await asyncio.gather(
            batching.looks(a_look(same[0], targets=(STABLE,))),
            batching.looks(a_look(same[1], targets=(CANARY,))),
            batching.looks(a_look(other, targets=(CANARY,))),
        )
    tenants = sorted(request.headers["X-Scope-OrgID"] for request in server.requests)
    assert tenants == ["a", "b"]


async def test_tenants_of_one_server_that_hangs_keep_no_more_threads_than_one(source: PrometheusSource) -> None:
    with FakeServer(success([])) as hanging, FakeServer(success([])) as healthy:
        hanging.hang.clear()
        stuck = [
            asyncio.create_task(ask(source, Access(hanging.url, (("X-Scope-OrgID", str(tenant)),))))
            for tenant in range(20)
        ]
        await asyncio.to_thread(hanging.wait_for_requests, QUERIES_AT_ONCE_PER_URL)
        await ask(source, Access(healthy.url))
        assert len(hanging.requests) == QUERIES_AT_ONCE_PER_URL
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_connections_of_rotated_credentials_are_closed(
    source: PrometheusSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr(CheckedSession, "close", lambda self: closed.append(self))
    monkeypatch.setattr(prometheus_module, "MAX_SERVERS", 3)
    with FakeServer(success([])) as server:
        for number in range(10):
            await ask(source, Access(server.url, token=f"token-{number}"))
        assert len(closed) == 6
        monkeypatch.setattr(prometheus_module, "IDLE_SECONDS", -1.0)
        await ask(source, Access(server.url, token="last"))
    assert len(closed) == 10


NASTY = st.lists(st.one_of(st.sampled_from(" \t\r\n:\x00\x7fäß\ud800"), st.characters()), max_size=8).map("".join)


@given(NASTY, NASTY, st.sampled_from(["token", "password", "header name", "header value"]))
def test_what_cannot_be_sent_is_refused_without_showing_it(one: str, other: str, place: str) -> None:
    marker = f"{SECRET}{one}"
    make: dict[str, Callable[[], Access]] = {
        "token": lambda: Access("http://p", token=marker),
        "password": lambda: Access("http://p", username=f"u{other}", password=marker),
        "header name": lambda: Access("http://p", ((f"X{other}", "1"),)),
        "header value": lambda: Access("http://p", (("X-A", marker),)),
    }
    said = ""
    try:
        access = make[place]()
    except ValueError as error:
        said = str(error)
    assert SECRET not in said
    if said:
        return
    prepared = CheckedSession(access, 1).prepare_request(requests.Request("POST", "http://p/api"))
    for name, value in (*access.headers, ("Authorization", access.authorization())):
        assert prepared.headers.get(name) == value
        assert value is None or not set(value) & set("\r\n\x00")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"token": "a", "username": "b", "password": "c"}, "leave one of them"),
        ({"token": "a", "password": "c"}, "leave one of them"),
        ({"username": "b"}, "belong together"),
        ({"password": "b"}, "belong together"),
        ({"token": ""}, "empty"),
        ({"token": f"Bearer {SECRET}"}, "without the word Bearer"),
        ({"token": f"{SECRET}\n"}, "line breaks"),
        ({"username": "", "password": "c"}, "empty"),
        ({"username": "a:b", "password": "c"}, "colon"),
        ({"username": "a", "password": ""}, "empty"),
        ({"username": "a", "password": f"{SECRET}\n"}, "line break"),
        ({"headers": (("Authorization", SECRET),)}, "none that may be set"),
        ({"headers": (("X A", SECRET),)}, "is no header"),
        ({"headers": (("X-A", f"{SECRET}\r\nX-B: 1"),)}, "printable ASCII on one line"),
    ],
)
def test_what_makes_no_access(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Access("http://p", **fields)
    assert SECRET not in str(caught.value)


def test_no_text_of_an_access_holds_a_secret() -> None:
    accesses = [
        Access(f"http://ml:{SECRET}@p/x?key={SECRET}", (("X-A", SECRET),), token=SECRET, ca_pem=SECRET),
        Access("http://p", username="ml", password=SECRET),
    ]
    for access in accesses:
        request = a_look(access)
        for text in (repr(access), str(access), f"{access}", repr(request), repr([request.scope])):
            assert SECRET not in text
    assert "http://p/x" in repr(accesses[0])


def test_equal_accesses_are_one(authority: Authority) -> None:
    fields: dict[str, Any] = {"headers": (("X-A", "1"),), "token": SECRET, "ca_pem": authority.pem}
    one = Access("http://p", **fields)
    assert one == pickle.loads(pickle.dumps(one))
    assert len({one, Access("http://p", **fields)}) == 1
    for change in ({"token": "b"}, {"ca_pem": None}, {"headers": (("X-A", "2"),)}, {"url": "http://q"}):
        assert replace(one, **change) != one


@pytest.mark.parametrize("secret", [SECRET, 'a"\\&<é+ /' + SECRET])
@pytest.mark.parametrize("status", [200, 401, 403, 500])
async def test_a_server_that_echoes_what_it_got_gives_nothing_away(
    source: PrometheusSource, secret: str, status: int
) -> None:
    def echo(request: Request) -> Answer:
        forms = [secret, html.escape(secret), quote(secret), request.headers["Authorization"]]
        if len(request.path) % 2:
            return Answer(status, json.dumps({"status": "error", "error": " ".join(forms)}).encode())
        return Answer(status, " ".join([json.dumps(secret), *forms]).encode(), {"Content-Type": "text/html"})

    with FakeServer(echo) as server:
        for path in ("", "/x"):
            with pytest.raises(SourceUnavailable) as caught:
                await ask(source, Access(server.url + path, username="ml", password=secret))
            assert SECRET not in str(caught.value)
            assert basic("ml", secret).removeprefix("Basic ") not in str(caught.value)
            assert "[hidden]" in str(caught.value)


def test_no_access_is_told_apart_and_says_that_nothing_was_asked() -> None:
    error = NoAccess("no key", "http://ml:pw@p/x", "write it")
    assert str(error) == "no key (http://p/x, not asked): write it"
    assert str(NoAccess("no key", None, "write it")) == "no key (no address, not asked): write it"
