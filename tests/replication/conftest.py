"""The replication on tiny pairs, with the package's own weights as the given ones."""

import csv
from pathlib import Path

import pytest

from replication.__main__ import main

from ..conftest import write_pairs


@pytest.fixture(scope="session")
def replicated(tmp_path_factory) -> Path:
    """A folder with tiny data, the values per image, ``page.md`` and the files beside it."""
    root = tmp_path_factory.mktemp("replication")
    write_pairs(root / "medical", names=("1", "2", "3"), sources=("MRI", "CT"))
    write_pairs(root / "infrared", names=("1D", "2D", "3N", "4N"))
    write_pairs(root / "truth", sources=("near", "far", "gt"))
    replicate_tiny(root)
    return root


def replicate_tiny(root: Path, *more: str, page: str = "page.md") -> None:
    """Replicate on the pairs below a folder that :func:`replicated` made."""
    data = {"MRI-CT": "medical", "TNO": "infrared", "Savic": "truth"}
    pairs = [f"{name}={root / folder}" for name, folder in data.items()]
    own = ["--data", *pairs, "--weights", "IFCNN-MAX=bundled"]
    main([*own, "--values", str(root / "values"), "-o", str(root / page), *more])


def lines_of(root: Path, name: str) -> list[dict[str, str]]:
    """The lines of a file beside the page."""
    with (root / "page" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
