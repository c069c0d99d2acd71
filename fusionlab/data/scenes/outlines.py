"""Outlines of people and things in the photographs, traced by hand, as mattes (1, H, W).

The numbers are per cent of the width and height.
"""

import torch
from torch import Tensor

from fusionlab.data.shapes import polygon, stroke

# fmt: off
ASTRONAUT = (
    (3.5, 100), (5, 88), (4, 80), (5, 68), (8, 57), (12, 49), (17, 44.5), (22.5, 40), (22, 37.5),
    (23.5, 36), (27, 31), (31, 29), (36, 29), (36, 26), (34, 25), (32, 22.5), (30.3, 18),
    (30, 13.5), (31.5, 10), (35, 8), (40, 4.5), (45, 3), (51, 4.5), (56, 8), (58.5, 12),
    (58.8, 17), (57, 22), (54.5, 25), (52.5, 27), (51, 30), (50, 33.5), (54, 36.5), (58, 41.5),
    (59.5, 46), (63, 49), (66.5, 53.5), (69, 59), (70.5, 66.5), (71, 68.5), (75, 67), (81, 67),
    (88, 69.5), (93, 74), (96, 80), (97, 88), (99, 91), (100, 95), (100, 100),
)
ASTRONAUTS_FACE = (
    (37, 15.5), (41, 16.5), (46, 16), (51, 16.8), (53, 20), (52.5, 26), (50.5, 31), (47.5, 34.5),
    (43, 35), (39, 32.5), (36.5, 28), (35.8, 22),
)
CAMERAMAN = (
    (0, 50), (5, 43), (10, 34.5), (14, 28.5), (20, 25), (25.5, 24), (27, 22), (30, 20.5),
    (32, 20.5), (34, 16.5), (38, 13), (42, 12.3), (47, 14.5), (51, 19), (53, 22.5), (52.5, 25.5),
    (49.5, 27.3), (55, 27.2), (63.2, 27), (63.2, 30.5), (62.3, 33), (64.3, 33.5), (65, 37),
    (63, 43), (59.5, 45), (60, 48.5), (58.5, 49), (59.5, 53.5), (55, 57.5), (48, 61), (40, 57.3),
    (36, 64), (27.5, 74.5), (29, 83), (29.5, 100), (27, 100), (20, 87), (17.5, 100), (0, 100),
)
CAMERAMANS_FACE = (
    (38.5, 25), (45, 25), (49, 27), (50, 33.5), (47, 38), (39, 38.5), (35.5, 29),
)
CAMERA = ((50.5, 27.5), (63.2, 27), (63.2, 30.5), (62, 35.5), (51.5, 35.5))
TRIPOD_HEAD = ((54.5, 61), (61, 61), (61, 64.5), (54.5, 64.5))
TRIPOD_LEGS = (
    ((57.3, 42), (57.3, 95)), ((56, 64), (46.3, 100)), ((60.5, 64), (78.5, 100)),
    ((59, 62.5), (65.5, 59)), ((48, 96.5), (57, 94.5), (76, 94)),
)
# fmt: on


def astronaut(size: tuple[int, int]) -> Tensor:
    """The astronaut with her helmet, in the photograph ``astronaut``."""
    return polygon(size, _fractions(ASTRONAUT))


def astronauts_face(size: tuple[int, int]) -> Tensor:
    """Her face, without the hair."""
    return polygon(size, _fractions(ASTRONAUTS_FACE))


def cameraman(size: tuple[int, int]) -> Tensor:
    """The man with his camera, without the tripod, in the photograph ``camera``."""
    return polygon(size, _fractions(CAMERAMAN))


def cameramans_face(size: tuple[int, int]) -> Tensor:
    """His face and ear."""
    return polygon(size, _fractions(CAMERAMANS_FACE))


def camera(size: tuple[int, int]) -> Tensor:
    """The camera in his hands."""
    return polygon(size, _fractions(CAMERA))


def tripod(size: tuple[int, int]) -> Tensor:
    """The tripod in the photograph ``camera``."""
    legs = [stroke(size, _fractions(leg), width=0.018) for leg in TRIPOD_LEGS]
    return torch.stack([polygon(size, _fractions(TRIPOD_HEAD)), *legs]).amax(dim=0)


def _fractions(percent: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    return [(x / 100, y / 100) for x, y in percent]
