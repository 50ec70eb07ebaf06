"""A server that keeps what is posted to it and answers as told."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web


class Receiver:
    """Takes JSON on one path; answers the statuses in `answers` one by one, then 200."""

    def __init__(self, path: str, *answers: int) -> None:
        self.bodies: list[Any] = []
        self.hosts: list[str] = []
        self.refused: list[Any] = []
        self._answers = list(answers)
        self._news = asyncio.Condition()
        self.app = web.Application()
        self.app.router.add_post(path, self._take)

    async def got(self, count: int) -> None:
        """Return once `count` bodies were taken with 200; fails after 10 s."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: len(self.bodies) >= count)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        status = self._answers.pop(0) if self._answers else 200
        async with self._news:
            (self.bodies if status == 200 else self.refused).append(body)
            self.hosts.append(request.host)
            self._news.notify_all()
        return self.answer(status, body)

    def answer(self, status: int, body: Any) -> web.Response:
        """What is answered to a body."""
        return web.json_response({}, status=status)
