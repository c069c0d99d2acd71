"""Intermediate results that several metrics need, computed once for each image.

Inside ``with sharing():`` a function decorated with :func:`shared` returns what it returned before
for the same tensors and options; outside it simply computes. Inside ``with keeping(sources):`` what
is computed of the sources alone outlives the blocks within: it serves all pictures fused from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])
Key = tuple[Any, ...]

# what was computed, with the arguments: while they are kept, no other tensor gets their id
_results: ContextVar[dict[Key, tuple[Any, Any]] | None] = ContextVar("results", default=None)


@dataclass
class _Kept:
    """What was computed of some tensors alone, and the ids of these and of the results."""

    known: set[int]
    results: dict[Key, tuple[Any, Any]] = field(default_factory=dict)


_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Keep the results of shared functions until the end of the block."""
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


@contextmanager
def keeping(*tensors: Tensor) -> Iterator[None]:
    """Keep what blocks of :func:`sharing` within compute of these tensors alone until the end."""
    token = _kept.set(_Kept({id(one) for one in tensors}))
    try:
        yield
    finally:
        _kept.reset(token)


def shared(function: Function) -> Function:
    """Compute once per block of :func:`sharing`; the result must not be changed in place."""

    @wraps(function)
    def once(*arguments: Any, **options: Any) -> Any:
        results = _results.get()
        if results is None:
            return function(*arguments, **options)
        kept = _kept.get()
        if kept is not None and all(id(one) in kept.known for one in _tensors(arguments)):
            results = kept.results
        key = (function, *map(_identity, arguments), *sorted(options.items()))
        if key not in results:
            found = function(*arguments, **options)
            results[key] = (found, arguments)
            if kept is not None and results is kept.results:
                kept.known.update(map(id, _tensors(found if isinstance(found, tuple) else [found])))
        return results[key][0]

    return once  # type: ignore[return-value]


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    return [one for one in values if isinstance(one, Tensor)]


def _identity(argument: Any) -> Any:
    return id(argument) if isinstance(argument, Tensor) else argument
