"""A few of many, evenly spaced, though it is not known beforehand how many there will be."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Thinned(Generic[Item]):
    """Keeps every 1st, 2nd, 4th, ... of what comes, so that at most `most` are kept."""

    def __init__(self, most: int) -> None:
        self.every = 1
        self.items: list[Item] = []
        self._most = most
        self._count = 0

    def wants_next(self) -> bool:
        """Return whether the next one would be kept."""
        return self._count % self.every == 0

    def add(self, item: Item) -> None:
        """Take the next one."""
        if self.wants_next():
            if len(self.items) == self._most:
                self.every *= 2
                del self.items[1::2]
            if self.wants_next():
                self.items.append(item)
        self._count += 1
