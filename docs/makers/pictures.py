"""Draw the pictures of the pages into docs/images.

Run ``python docs/makers/pictures.py``. Each is a figure of ``fusionlab figures``, of the bundled
network on a built-in scene, as a JPEG of the width of a page.
"""

from __future__ import annotations

import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from PIL import Image

from fusionlab.cli.figures import main

FOLDER = Path(__file__).parents[1] / "images"
WIDTH = 1400  # pixels
PICTURES = {
    "strip": ("strip", "--data.task", "vif", "--id", "vif-motorcycle"),
    "panel": ("panel", "--data.task", "vif", "--id", "vif-rocket"),
}


def draw(name: str, folder: Path) -> Path:
    """Draw one of the pictures into a folder."""
    with tempfile.TemporaryDirectory() as made:
        stem = Path(made) / name
        with redirect_stdout(io.StringIO()):
            main([*PICTURES[name], "--output", str(stem), "--quiet"])
        with Image.open(f"{stem}.png") as figure:
            size = (WIDTH, round(WIDTH * figure.height / figure.width))
            path = folder / f"{name}.jpg"
            figure.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(path, quality=85)
            return path


if __name__ == "__main__":
    for name in PICTURES:
        draw(name, FOLDER)
