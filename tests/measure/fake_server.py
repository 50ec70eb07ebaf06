"""An HTTP server that answers as told, for everything that a healthy Prometheus does not do."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


def success(result: object, kind: str = "matrix", **more: object) -> Answer:
    data = {"resultType": kind, "result": result}
    return Answer(body=json.dumps({"status": "success", "data": data, **more}).encode())


def wanting(header: str, value: str, then: Answer) -> Callable[[Request], Answer]:
    """Return what a server does that lets in those alone that send one header with one value."""

    def answer(request: Request) -> Answer:
        got = {name.lower(): text for name, text in request.headers.items()}.get(header.lower())
        return then if got == value else Answer(401 if got is None else 403, b"who are you?", {})

    return answer


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: that they may is tested."""


class FakeServer:
    """Serves what `answer` returns for a request, and keeps the requests."""

    def __init__(self, answer: Callable[[Request], Answer] | Answer, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._arrival = threading.Condition()
        self.hang = threading.Event()
        self.hang.set()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
                request = Request(self.path, dict(self.headers), form)
                with fake._arrival:
                    fake.requests.append(request)
                    fake._arrival.notify_all()
                fake.hang.wait(30)
                reply = answer if isinstance(answer, Answer) else answer(request)
                self.send_response_only(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                with contextlib.suppress(ConnectionError):  # Whoever asked may have given up.
                    self.end_headers()
                    self.wfile.write(reply.body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        if tls is not None:
            # The handshake belongs to the thread of the connection, or one client that refuses it stops all others.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def wait_for_requests(self, count: int) -> None:
        """Return once as many requests have arrived."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: len(self.requests) >= count, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()
