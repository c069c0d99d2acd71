"""The table of the first page: one number for each method and data set of docs/results.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fusionlab.registry import NETWORKS

HEADING = re.compile(r"^### (\w+): (\S+), (\d+) images$", re.M)
TTD = "+TTD"
EMPTY = ("", "–")
LONGEST = 28  # letters of a name


@dataclass
class Column:
    """A data set, and what its methods are judged by.

    Args:
        task: Its task, in capitals.
        name: Of the data set.
        metric: Heading of the column in its table.
        higher_is_better: Which end of it is good.
        values: By method; texts as they stand there.
    """

    task: str
    name: str
    metric: str
    higher_is_better: bool
    values: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What stands above the column."""
        unit = "PSNR ↑" if self.metric == "PSNR" else "rank ↓"
        return f"{self.name}, {self.task.lower()}: {unit}"

    @property
    def best(self) -> str:
        """The best value."""
        choose = max if self.higher_is_better else min
        return choose(self.values.values(), key=lambda text: float(text.replace("−", "-")))


def results_table(page: str) -> str:
    """PSNR where there is a ground truth, the mean rank elsewhere, as GitHub's Markdown.

    A cell is ``static / with TTD``; classical methods come first. The best value of a data set, to
    the digits shown, is bold. Methods that were measured on fewer images have no place here.

    Args:
        page: Text of docs/results.md.
    """
    columns = list(columns_of(page))
    rows = dict.fromkeys(
        name.removesuffix(TTD) for one in columns for name in one.values if not is_source(name)
    )
    classical = {one.__name__ for one in NETWORKS.values() if not one.trainable}
    ordered = sorted(rows, key=lambda name: (name not in classical, name.lower()))
    lines: list[Sequence[str]] = [("method", *(one.title for one in columns))]
    lines.append(("---", *["---:"] * len(columns)))
    lines += [(shortened(name), *(cell(one, name) for one in columns)) for name in ordered]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def is_source(name: str) -> bool:
    """Whether a row is no fusion: a source by itself, or a difference of rows."""
    return name.endswith(" alone") or name.startswith("Δ")


def columns_of(page: str) -> Iterator[Column]:
    """The data sets of the page, in its order."""
    parts = HEADING.split(page)[1:]
    for task, name, _, text in zip(*(parts[k::4] for k in range(4)), strict=True):
        tables = list(tables_of(text.partition("\n#### ")[0].partition("\n## ")[0]))
        truth = next((one for one in tables if "PSNR" in one), None)
        column = Column(task, name, "PSNR", True) if truth else Column(task, name, "rank", False)
        for table in tables:
            given = table.get(column.metric, {})
            column.values |= {
                key: text for key, text in given.items() if text not in EMPTY and not is_source(key)
            }
        yield column


def tables_of(text: str) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """Its tables: texts by metric and method, without the arrows and marks of significance."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        heading, _, *rows = (
            [cell.strip() for cell in row.split("|")[1:-1]] for row in block.splitlines()
        )
        metrics = [name.rstrip("↑↓") for name in heading]
        yield {
            metric: {row[0]: row[k].rstrip("=*\\") for row in rows}
            for k, metric in enumerate(metrics)
            if k
        }


def shortened(name: str) -> str:
    """A name that fits into the table; the file names of some checkpoints are long."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 2]}…)"


def cell(column: Column, name: str) -> str:
    """Static and TTD of a method on a data set, the best bold; empty where it was not measured."""
    found = [column.values[key] for key in (name, f"{name}{TTD}") if key in column.values]
    return " / ".join(f"**{text}**" if text == column.best else text for text in found)
