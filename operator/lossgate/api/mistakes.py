"""What is wrong with a spec, in words for the person who must mend it."""

from __future__ import annotations

from pydantic import ValidationError

MAX_SHOWN = 5


def in_words(error: ValidationError) -> str:
    """Return each mistake with the field it is in, such as `spec.steps[0].weight: Input should be ...`."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"spec{_path(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in found[:MAX_SHOWN]]
    more = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
