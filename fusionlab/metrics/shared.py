"""Intermediate results that several metrics need, computed once for each image.

Inside ``with sharing():`` a function decorated with :func:`shared` returns what it returned before
for the same tensors and options; outside it simply computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])
Key = tuple[Any, ...]

# what was computed, with the arguments: while they are kept, no other tensor gets their id
_results: ContextVar[dict[Key, tuple[Any, Any]] | None] = ContextVar("results", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Keep the results of shared functions until the end of the block."""
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def shared(function: Function) -> Function:
    """Compute once per block of :func:`sharing`; the result must not be changed in place."""

    @wraps(function)
    def once(*arguments: Any, **options: Any) -> Any:
        results = _results.get()
        if results is None:
            return function(*arguments, **options)
        key = (function, *map(_identity, arguments), *sorted(options.items()))
        if key not in results:
            results[key] = (function(*arguments, **options), arguments)
        return results[key][0]

    return once  # type: ignore[return-value]


def _identity(argument: Any) -> Any:
    return id(argument) if isinstance(argument, Tensor) else argument
