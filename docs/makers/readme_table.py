"""Write the table of networks into README.md, between its two marks.

Run ``python docs/makers/readme_table.py``.
"""

from __future__ import annotations

from pathlib import Path

from fusionlab.networks.table import networks_table

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- networks: made by python docs/makers/readme_table.py -->\n"
END = "\n<!-- end of networks -->"


def with_table(text: str, table: str) -> str:
    """The text with the table between the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"README.md lacks {BEGIN.strip()}"
    assert end, f"README.md lacks {END.strip()}"
    return f"{before}{begin}{table}{end}{after}"


def table_of(text: str) -> str:
    """The table between the marks."""
    return text.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8"), networks_table()), "utf-8")
