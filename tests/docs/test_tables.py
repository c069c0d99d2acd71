"""The tables that docs/makers write: networks in docs/networks.md, results in README.md."""

import pytest

from fusionlab.cli.networks import main
from fusionlab.networks import NETWORKS
from results_table import results_table
from tables import NETWORKS_PAGE, README, RESULTS, marks, table_of, with_table

PAGE = """\
### MFF: Savic, 3 images

|  | PSNR↑ | SSIM↑ |
|---|---:|---:|
| near alone | 24.18 | 0.75 |
| Average | 27.47= | 0.89= |
| IFCNN | 31.52\\* | 0.95= |
| IFCNN+TTD | 31.19= | 0.95= |
| Δ IFCNN+TTD | −0.330 [−0.400, −0.258], 0 % | |

|  | EN↑ | rank↓ |
|---|---:|---:|
| near alone | 6.53 |  |
| Average | 6.49= | 3.00 |
| IFCNN | 6.58= | 1.50 |

#### SHIP, MFF: Savic, 1 image

|  | PSNR↑ |
|---|---:|
| SHIP | 99.00 |

### VIF: TNO, 3 images

|  | EN↑ | rank↓ |
|---|---:|---:|
| SAGE | 7.29= | 1.20 |
| Average | 6.49= | 3.00 |

## Made with

| Network | File |
|---|---|
| `sage` | a |
"""


@pytest.mark.slow
def test_the_page_holds_the_table_of_networks_that_the_command_prints(capsys):
    """A network that is not in it yet is no fault: ``make docs`` adds it."""
    written = table_of(NETWORKS_PAGE.read_text("utf-8"), "networks").splitlines()
    main(["table"])
    heading, line, *rows = made = capsys.readouterr().out.strip().splitlines()
    assert heading.startswith("| network | paper | parameters |")
    assert [row.split("`")[1] for row in rows] == sorted(NETWORKS)
    assert len({row.count("|") for row in (heading, line, *rows)}) == 1
    assert written[:2] == made[:2]
    assert len(written) > 2
    assert [line for line in written if line not in made] == [], "run make docs"
    assert written == sorted(written, key=made.index)


def test_the_first_page_holds_the_results():
    made = results_table(RESULTS.read_text("utf-8"))
    assert table_of(README.read_text("utf-8"), "results") == made, "run make docs"


def test_results_are_static_and_dynamic_and_the_best_is_bold():
    assert results_table(PAGE).splitlines() == [
        "| method | Savic, mff: PSNR ↑ | TNO, vif: rank ↓ |",
        "| --- | ---: | ---: |",
        "| Average | 27.47 | 3.00 |",
        "| IFCNN | **31.52** / 31.19 |  |",
        "| SAGE |  | **1.20** |",
    ]


def test_the_table_goes_between_the_marks():
    begin, end = marks("a")
    text = f"before\n{begin}old{end}\nafter"
    assert with_table(text, "a", "new") == f"before\n{begin}new{end}\nafter"
    assert table_of(with_table(text, "a", "b\nc"), "a") == "b\nc"
    with pytest.raises(AssertionError, match="no line <!-- b"):
        with_table(text, "b", "new")
