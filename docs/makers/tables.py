"""Write the table of networks into docs/networks.md, that of results into README.md.

Run ``python docs/makers/tables.py``.
"""

from __future__ import annotations

from pathlib import Path

from fusionlab.networks.table import networks_table
from results_table import results_table

ROOT = Path(__file__).parents[2]
NETWORKS_PAGE = ROOT / "docs" / "networks.md"
README = ROOT / "README.md"
RESULTS = ROOT / "docs" / "results.md"


def marks(name: str) -> tuple[str, str]:
    """The lines between which a table stands."""
    return (
        f"<!-- {name}: made by python docs/makers/tables.py -->\n\n",
        f"\n\n<!-- end of {name} -->",
    )


def with_table(text: str, name: str, table: str) -> str:
    """The text with the table between its marks."""
    begin, end = marks(name)
    before, found, rest = text.partition(begin)
    assert found, f"no line {begin.strip()}"
    _, found, after = rest.partition(end)
    assert found, f"no line {end.strip()}"
    return f"{before}{begin}{table}{end}{after}"


def table_of(text: str, name: str) -> str:
    """The table between its marks."""
    begin, end = marks(name)
    return text.partition(begin)[2].partition(end)[0]


def write(page: Path, name: str, table: str) -> None:
    """Replace a table of a page."""
    page.write_text(with_table(page.read_text("utf-8"), name, table), "utf-8")


if __name__ == "__main__":
    write(NETWORKS_PAGE, "networks", networks_table())
    write(README, "results", results_table(RESULTS.read_text("utf-8")))
