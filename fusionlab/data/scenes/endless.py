"""Labelled scenes without end, to learn from: people who are warm in the dark, and lesions."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.photographs import photograph
from fusionlab.data.scenes.head import Head
from fusionlab.data.scenes.infrared_visible import in_the_dark
from fusionlab.data.scenes.medical import T1, T2, mri_ct
from fusionlab.data.scenes.scene import Scene, make_scene, resized
from fusionlab.data.scenes.warmth import over, person, thermal
from fusionlab.data.shapes import soften

GROUNDS = ("brick", "chelsea", "coins", "grass", "gravel")  # no built-in scene has them
MOST_PEOPLE = 3
HEIGHTS = (0.3, 0.75)  # of people, fractions of the image
LIGHT = (0.2, 1.0)


def people_scene(number: int, side: int, seed: int = 0, grounds: Sequence[str] = GROUNDS) -> Scene:
    """People in front of a photograph, with little light, who are warm.

    Args:
        number: Of the scene; scenes with other numbers differ.
        side: Pixels of both sides.
        seed: Another seed gives other scenes.
        grounds: Names of photographs.
    """
    rng = np.random.default_rng((seed, number))
    size = (side, side)
    photo = _piece(photograph(grounds[int(rng.integers(len(grounds)))]), side, rng)
    warmth = 0.18 + 0.15 * soften(photo.mean(0, keepdim=True), 1.5)
    people: list[tuple[str, Tensor]] = []
    for _ in range(rng.integers(1, MOST_PEOPLE + 1)):
        height = rng.uniform(*HEIGHTS)
        feet = (rng.uniform(0.1, 0.9), rng.uniform(height, 1.1))
        somebody, body = person(size, feet, height, rng)
        warmth = over(warmth, somebody, body)
        photo = over(photo, float(rng.uniform(0.05, 0.95)), 0.9 * body)
        people = [(name, matte * (1 - body)) for name, matte in people]
        people.append(("person", body))
    visible = in_the_dark(photo, torch.full((1, 1, 1), rng.uniform(*LIGHT)), rng)
    sources = {"vi": visible, "ir": thermal(warmth, rng)}
    return make_scene("vif", f"people-{number}", sources, None, people)


def head_scene(number: int, side: int, seed: int = 0) -> Scene:
    """A slice through a head with a lesion, in MRI and CT; arguments as of :func:`people_scene`."""
    rng = np.random.default_rng((seed, number))
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.22)
    centre = (0.5 + away * np.cos(angle), 0.5 + away * np.sin(angle))
    ventricles = float(rng.choice([0.0, 0.9, 1.2]))
    own = int(rng.integers(2**31))
    head = Head((side, side), own, ventricles, centre, rng.uniform(0.04, 0.09))
    return mri_ct(f"head-{number}", head, T1 if rng.random() < 0.5 else T2)


def _piece(photo: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """A random square of a photograph, (3, side, side)."""
    height, width = photo.shape[1:]
    length = int(rng.integers(min(side, height, width), min(height, width) + 1))
    top, left = (int(rng.integers(whole - length + 1)) for whole in (height, width))
    square = photo[:, top : top + length, left : left + length]
    return resized(square, (side, side)).expand(3, -1, -1)
