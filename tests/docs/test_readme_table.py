"""The README's table of networks, and what writes it (docs/makers)."""

import pytest

from fusionlab.networks.table import networks_table
from readme_table import BEGIN, END, README, table_of, with_table


@pytest.mark.slow
def test_the_readme_holds_the_table():
    """A network that is not in it yet is no fault: ``make docs`` adds it."""
    written = table_of(README.read_text("utf-8")).splitlines()
    made = networks_table().splitlines()
    assert written[:2] == made[:2]
    assert len(written) > 2
    assert [line for line in written if line not in made] == [], "run make docs"
    assert written == sorted(written, key=made.index)


def test_the_table_goes_between_the_marks():
    text = f"before\n{BEGIN}old{END}\nafter"
    assert with_table(text, "new") == f"before\n{BEGIN}new{END}\nafter"
    assert table_of(with_table(text, "a\nb")) == "a\nb"
    with pytest.raises(AssertionError, match="lacks"):
        with_table("no marks", "new")
