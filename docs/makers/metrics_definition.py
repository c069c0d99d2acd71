"""What docstrings and conventions say of a metric."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fusionlab.citing import docstring_sections, metric_function
from fusionlab.metrics.base import Convention, ImageMean

PER_IMAGE = "One value per image, (B,), "  # how every "Returns" begins


@dataclass(frozen=True)
class Definition:
    """A metric as the docstring of its function has it, a paragraph to a line.

    Args:
        function: The function that is the mathematics.
        formula: The paragraphs before the sections.
        convention: What is settled where others differ; may be empty.
        value: Unit, range and direction.
        source: Where it was published.
    """

    function: Callable[..., Any]
    formula: list[str]
    convention: str
    value: str
    source: str

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.function.__name__

    @property
    def span(self) -> str:
        """Unit and range alone, without what an option makes of them."""
        return re.split(r"[.;] |, but ", self.value)[0].rstrip(".")

    @property
    def uses_sources(self) -> bool:
        """Whether more than the fused image is looked at."""
        return len(_images(self.function)) > 1


@cache
def definition(metric: type[ImageMean]) -> Definition:
    """The definition that the class refers to by the first function in its docstring."""
    function = metric_function(metric)
    formula, sections = docstring_sections(function)
    return Definition(
        function,
        formula,
        sections.get("Convention", ""),
        sections["Returns"].removeprefix(PER_IMAGE),
        sections["Source"],
    )


def forms(conventions: Mapping[str, Convention]) -> list[tuple[list[str], str]]:
    """Keys that share a row because they compute and say the same, and what they say."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, convention in conventions.items():
        options = repr(sorted(convention.options.items()))
        found.setdefault((options, _resolved(convention.text, conventions)), []).append(key)
    return [(keys, text) for (_, text), keys in found.items()]


def _resolved(text: str, conventions: Mapping[str, Convention]) -> str:
    """What a convention says, also where it only says "as" another one."""
    other = conventions.get(text.removeprefix("as "))
    return _resolved(other.text, conventions) if other else text


def _images(function: Callable[..., Any]) -> list[str]:
    """Names of the images that a function takes: its options are keywords."""
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.kind is not one.KEYWORD_ONLY]
