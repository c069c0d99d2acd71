"""The photographs that the bundled networks learn from: those in Debian's wallpapers, and a few.

``python -m replication.photographs PACKAGES FOLDER``; see docs/train.md. Drawings and abstract
pictures of these packages are not in the list.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from PIL import Image

LIST = Path(__file__).with_suffix(".csv")
LONGEST = 1280  # pixels, of the longer side
SCIKIT_IMAGE = (
    *("brick", "chelsea", "grass", "gravel", "hubble_deep_field", "immunohistochemistry"),
    "retina",
)


def main() -> None:
    """Copy the listed photographs to one folder, made smaller."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, help="Folder with a folder per unpacked package.")
    parser.add_argument("folder", type=Path, help="Folder to write.")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with LIST.open(newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [row["file"] for row in rows if not (given.packages / _place(row)).is_file()]
    if missing:
        parser.error(f"{given.packages} lacks {len(missing)} photographs, e.g. {missing[0]}")
    for number, row in enumerate(rows):
        with Image.open(given.packages / _place(row)) as photograph:
            photograph.draft("RGB", (LONGEST, LONGEST))
            _write(photograph.convert("RGB"), given.folder / f"{number:02d}.png")
    import skimage.data

    for name in SCIKIT_IMAGE:
        image = Image.fromarray(getattr(skimage.data, name)())
        _write(image, given.folder / f"{name}.png")


def _place(row: dict[str, str]) -> Path:
    return Path(row["package"]) / row["file"]


def _write(image: Image.Image, path: Path) -> None:
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    image.save(path)


if __name__ == "__main__":
    main()
