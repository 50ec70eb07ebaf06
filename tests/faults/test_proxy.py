"""The proxy that the fault tests stand on does to requests just what it says."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.faults.proxy import Answer, Cut, Delay, EndWatch, Fault, Hang, Proxy, Rewrite, Seen, Slow, Stale


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: that is what is tested."""


class Upstream:
    """Answers each request with its number; a watch gets an event whenever one is given."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.events = threading.Semaphore(0)
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                upstream.requests.append((self.command, self.path, body, dict(self.headers)))
                if "watch=true" in self.path:
                    return self._stream()
                self._head({"Content-Length": "40"})
                self.wfile.write(f"{len(upstream.requests):<40}".encode())

            def do_PUT(self) -> None:
                self.do_GET()

            def _head(self, headers: dict[str, str]) -> None:
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def _stream(self) -> None:
                self._head({"Transfer-Encoding": "chunked"})
                while upstream.events.acquire(timeout=20):
                    line = b'{"type":"ADDED"}\n'
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[Proxy]:
    with Proxy(upstream.url, headers={"Authorization": "Bearer secret"}) as running:
        yield running


def ask(proxy: Proxy, path: str = "/a", method: str = "GET", timeout: float = 5.0) -> bytes:
    with urlopen(
        Request(proxy.url + path, method=method, data=b"x" if method == "PUT" else None), timeout=timeout
    ) as r:
        body: bytes = r.read()
        return body


def always(proxy: Proxy, fault: Fault) -> None:
    proxy.rule = lambda seen: fault


BROKEN = (URLError, ConnectionError, http.client.HTTPException, TimeoutError)


def test_request_is_forwarded_with_headers_added_and_seen(proxy: Proxy, upstream: Upstream) -> None:
    assert ask(proxy, "/a/b%20c?x=1&y=a%2Fb", "PUT").strip() == b"1"
    ((method, path, body, headers),) = upstream.requests
    assert (method, path, body) == ("PUT", "/a/b%20c?x=1&y=a%2Fb", b"x")
    assert headers["Authorization"] == "Bearer secret"
    (seen,) = proxy.seen
    assert (seen.number, seen.method, seen.path, seen.status, seen.body) == (1, "PUT", "/a/b c", 200, b"x")
    assert seen.query == {"x": "1", "y": "a/b"}


@pytest.mark.parametrize("acted", [False, True])
def test_answer_of_its_own(proxy: Proxy, upstream: Upstream, acted: bool) -> None:
    always(proxy, Answer(429, b"later", {"Retry-After": "7"}, acted=acted))
    with pytest.raises(HTTPError) as caught:
        ask(proxy)
    assert (caught.value.code, caught.value.headers["Retry-After"], caught.value.read()) == (429, "7", b"later")
    assert len(upstream.requests) == int(acted)
    assert proxy.seen[0].status == 429


@pytest.mark.parametrize(
    ("fault", "upstream_sees"), [(Hang(), 0), (Hang(acted=True), 1), (Cut(), 0), (Cut(after=0), 1), (Cut(after=3), 1)]
)
def test_no_whole_answer(proxy: Proxy, upstream: Upstream, fault: Fault, upstream_sees: int) -> None:
    always(proxy, fault)
    with pytest.raises(BROKEN):
        ask(proxy, timeout=0.5)
    assert len(upstream.requests) == upstream_sees


def test_what_hangs_can_be_released(proxy: Proxy) -> None:
    always(proxy, Hang())
    threading.Timer(0.1, proxy.release).start()
    with pytest.raises(BROKEN):
        ask(proxy)


def test_slow_and_late(proxy: Proxy) -> None:
    for fault in (Slow(100), Delay(0.4)):
        always(proxy, fault)
        started = time.monotonic()
        assert len(ask(proxy)) == 40
        assert time.monotonic() - started >= 0.29


def test_stale_and_rewritten(proxy: Proxy) -> None:
    answers = [ask(proxy).strip() for _ in range(3)]
    proxy.rule = lambda seen: Stale(1)
    assert ask(proxy).strip() == answers[1]
    assert ask(proxy, "/other").strip() == b"4"
    always(proxy, Rewrite(bytes.strip))
    assert ask(proxy) == b"5"


def test_answer_is_withheld_after_the_upstream_acted(proxy: Proxy, upstream: Upstream) -> None:
    told: list[Seen] = []

    def answered(seen: Seen) -> bool:
        told.append(seen)
        return seen.method == "PUT"

    proxy.answered = answered
    ask(proxy)
    with pytest.raises(BROKEN):
        ask(proxy, method="PUT", timeout=0.3)
    assert [(seen.method, seen.status) for seen in told] == [("GET", 200), ("PUT", 200)]
    assert len(upstream.requests) == 2


def watch(proxy: Proxy) -> http.client.HTTPResponse:
    response: http.client.HTTPResponse = urlopen(f"{proxy.url}/a?watch=true", timeout=5)
    return response


def test_watch_is_streamed_and_ended(proxy: Proxy, upstream: Upstream) -> None:
    for _ in range(2):
        upstream.events.release()
    with watch(proxy) as stream:
        assert [json.loads(stream.readline())["type"] for _ in range(2)] == ["ADDED"] * 2
        assert proxy.end_watches(gone=True) == 1
        assert json.loads(stream.readline())["object"]["code"] == 410
        assert stream.readline() == b""


def test_watch_ends_after_some_events(proxy: Proxy, upstream: Upstream) -> None:
    always(proxy, EndWatch(after_events=1))
    for _ in range(2):
        upstream.events.release()
    with watch(proxy) as stream:
        assert len(stream.read().splitlines()) == 1


def test_open_watch_is_cut(proxy: Proxy, upstream: Upstream) -> None:
    upstream.events.release()
    with watch(proxy) as stream:
        stream.readline()
        proxy.cut_all()
        with pytest.raises(BROKEN):
            stream.read()


def test_connections_are_refused_until_they_are_accepted_again(proxy: Proxy) -> None:
    proxy.refuse()
    for _ in range(2):
        with pytest.raises(URLError, match="refused"):
            ask(proxy)
    proxy.accept()
    assert ask(proxy).strip() == b"1"


def test_error_of_a_rule_is_raised_in_the_end(upstream: Upstream) -> None:
    proxy = Proxy(upstream.url).start()

    def broken(seen: Seen) -> Fault | None:
        raise ZeroDivisionError

    proxy.rule = broken
    with pytest.raises(HTTPError):
        ask(proxy)
    with pytest.raises(ZeroDivisionError):
        proxy.stop()
