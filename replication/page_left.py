"""What the paper prints and this page has not measured, row by row."""

from __future__ import annotations

from collections.abc import Iterator

from fusionlab.laboratory.replication.cells import head, line
from fusionlab.laboratory.replication.claims import NOISE
from fusionlab.laboratory.replication.published import Published, Table
from fusionlab.laboratory.replication.results import Results


def left_section(published: Published, results: Results) -> str:
    """A table of rows and reasons."""
    lines = head("Table", "On", "Rows", "Why not")
    lines += [line(*cells) for cells in left(published, results)]
    return f"""## What is not on the page

Rows of the paper's tables that nothing here was measured for, or only on other data.

{chr(10).join(lines)}
"""


def left(published: Published, results: Results) -> Iterator[tuple[str, str, str, str]]:
    """Table, data, rows and reason, in the order of the tables."""
    tables = {**published.tables, NOISE: published.noise[0.0]}
    for number, table in sorted(tables.items()):
        if table.data not in results.at_hand:
            yield number, table.data, table.title, _lacking(number, table, published, results)
        if table.no_weights:
            why = "no trained weights of these networks at hand"
            yield number, table.data, ", ".join(table.no_weights), why
        if table.without_ttd:
            why = "static networks, to which the paper gives no TTD"
            yield number, table.data, ", ".join(table.without_ttd), why


def _lacking(number: str, table: Table, published: Published, results: Results) -> str:
    used = [name for name in results.at_hand if number in published.data[name].tables]
    beside = f"; set beside {', '.join(used)} above" if used else ""
    return f"{table.data} is not at hand{beside}"
