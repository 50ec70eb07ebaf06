"""The sentence under each member of an enum: what a person reads about it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from enum import Enum
from typing import TypeVar

Member = TypeVar("Member", bound=Enum)


def members(enum: type[Member]) -> dict[Member, str]:
    """Return the docstring line of every member.

    Raises:
        ValueError: A member has none; names all of these.
    """
    (class_,) = ast.parse(textwrap.dedent(inspect.getsource(enum))).body
    assert isinstance(class_, ast.ClassDef)
    found: dict[Member, str] = {}
    for statement, following in zip(class_.body, [*class_.body[1:], None], strict=True):
        match statement, following:
            case ast.Assign(targets=[ast.Name(name)]), ast.Expr(ast.Constant(str(text))):
                found[enum[name]] = " ".join(text.split())
    bare = [member.name for member in enum if member not in found]
    if bare:
        raise ValueError(f"{enum.__name__}: write a docstring line under {', '.join(bare)}")
    return found
