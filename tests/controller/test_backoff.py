from __future__ import annotations

from itertools import islice

from lossgate.controller.backoff import MAX_SECONDS, Backoff, EverLater
from lossgate.controller.queue import Key

A, B = Key("ml", "a"), Key("ml", "b")


def test_each_failure_doubles_the_wait_up_to_a_limit() -> None:
    backoff = Backoff()
    assert [backoff.failed(A) for _ in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert backoff.failed(B) == 0.5, "objects do not wait for each other"


def test_failing_for_days_goes_on_being_tried() -> None:
    backoff = Backoff()
    assert {backoff.failed(A) for _ in range(10_000)} >= {MAX_SECONDS}
    assert backoff.failed(A) == MAX_SECONDS


def test_conflict_is_tried_again_sooner() -> None:
    backoff = Backoff()
    assert [backoff.failed(A, conflict=True) for _ in range(3)] == [0.1, 0.2, 0.4]


def test_success_starts_afresh() -> None:
    backoff = Backoff()
    backoff.failed(A)
    backoff.failed(A)
    backoff.forget(A)
    assert backoff.failed(A) == 0.5


def test_watch_that_cannot_be_opened_is_tried_for_ever() -> None:
    waits = list(islice(EverLater(), 1000))
    assert waits[:6] == [1, 1, 2, 3, 5, 5]
    assert set(waits[4:]) == {5}, "an API server that is back is seen within seconds"
