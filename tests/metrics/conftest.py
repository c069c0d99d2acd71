"""Small images for all metrics, and the images with reference values."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.conftest import SHARED


@dataclass
class Case:
    """A fused image (1, 1, H, W), its sources (1, 2, 1, H, W), and what other programs say."""

    name: str
    fused: Tensor
    sources: Tensor
    published: dict[str, dict[str, float]]


def grey(path: Path) -> Tensor:
    """(1, 1, H, W) in [0, 255]."""
    return torch.from_numpy(np.array(Image.open(path))).float()[None, None]


@pytest.fixture
def fused() -> Tensor:
    """Three 8-bit images, (3, 1, 9, 8)."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 1, 9, 8), generator=generator).float()


@pytest.fixture
def sources() -> Tensor:
    """Their sources, (3, 2, 1, 9, 8)."""
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (3, 2, 1, 9, 8), generator=generator).float()


@pytest.fixture(scope="session")
def triples(shared: Path) -> list[Case]:
    """24 real images with the values of the programs in circulation."""
    folder = shared / "reference" / "metrics"
    triples = json.loads((folder / "values.json").read_text())["triples"]
    cases = []
    for name, triple in triples.items():
        a, b, fused = (grey(folder / triple["files"][key]) for key in "ABF")
        cases.append(Case(name, fused, torch.stack([a, b], dim=1), triple["metrics"]))
    return cases


@pytest.fixture(scope="session")
def edge_cases() -> list[Case]:
    """Degenerate 8-bit images, with what the programs in circulation return for them.

    Those made by formula are in every clone; those made of photographs need ``shared/``.
    """
    values = Path(__file__).with_name("formula_cases.json")
    flat = torch.ones(1, 1, 48, 52)
    rows, columns = torch.arange(48.0)[:, None], torch.arange(52.0)
    checkerboard = 255 * (rows + columns).remainder(2)[None, None]
    images = {
        "constant_all_equal_100": (100 * flat, 100 * flat, 100 * flat),
        "constant_A50_B150_F100": (50 * flat, 150 * flat, 100 * flat),
        "all_zero": (0 * flat, 0 * flat, 0 * flat),
        "all_255": (255 * flat, 255 * flat, 255 * flat),
        "checkerboard_0_255_F=A": (checkerboard, checkerboard, checkerboard),
    }
    if SHARED.is_dir():
        folder = SHARED / "reference" / "metrics"
        values = folder / "edge_cases.json"
        a, b, f = (grey(folder / "images" / f"edge_{key}.png") for key in "abf")
        raised, inverted = a.clone(), a.clone()
        raised[..., 20, 30] += 1
        inverted[..., 20, 30] = 255 - a[..., 20, 30]
        images |= {
            "identical_A=B=F": (a, a, a),
            "F=A": (a, b, a),
            "F=B": (a, b, b),
            "fused_all_zero": (a, b, 0 * flat),
            "fused_constant_128": (a, b, 128 * flat),
            "A_constant_zero": (0 * flat, b, f),
            "one_pixel_plus_1": (a, a, raised),
            "one_pixel_inverted": (a, a, inverted),
            "tiny_8x8": (a[..., :8, :8], b[..., :8, :8], f[..., :8, :8]),
            "ramp_F": (a, b, 4 * columns * flat),
            "F=255-A": (a, a, 255 - a),
            "ordinary_control": (a, b, f),
        }
    published = json.loads(values.read_text())["cases"]
    return [
        Case(name, fused, torch.stack([a, b], dim=1), published[name]["metrics"])
        for name, (a, b, fused) in images.items()
    ]


def black(edge_cases: list[Case]) -> Case:
    """The case of a black fused image."""
    found = [case for case in edge_cases if case.name == "fused_all_zero"]
    return found[0] if found else pytest.skip("its sources are photographs in shared/")
