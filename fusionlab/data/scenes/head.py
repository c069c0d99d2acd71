"""Anatomy of an axial slice through a head: nested ellipses and a folded cortex, as mattes.

In the spirit of the phantom of Shepp and Logan (IEEE Trans. Nucl. Sci. 21, 1974), with soft tissue
added. It resembles no patient.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.shapes import Point, ellipse, fractal_noise, grid, smooth_noise, soften

SULCI = 28  # around the surface of the brain
CORTEX = 0.032  # thickness, as a fraction of the head's mean radius
RADII = (0.37, 0.46)  # of the head, as fractions of the width and height


@dataclass(frozen=True)
class Head:
    """One slice; positions and lengths are fractions of the image.

    Args:
        size: (H, W) of the slice.
        seed: Of the folds and all irregularities.
        ventricles: Scale of the ventricles and nuclei; 0 is a slice above them.
        lesion: Centre of the lesion.
        lesion_radius: Its radius.
    """

    size: tuple[int, int]
    seed: int
    ventricles: float
    lesion: Point
    lesion_radius: float


def tissues(head: Head) -> dict[str, Tensor]:
    """Mattes (1, H, W) in the order in which the tissues cover each other.

    The keys are scalp, skull, marrow, csf, grey, white, nuclei, fluid, calcification, oedema and
    lesion.
    """
    rng = np.random.default_rng(head.seed)
    rho, theta = _polar(head.size, rng)
    below_skull = 0.855 - rho + 0.012 * (smooth_noise(head.size, 8, rng) - 0.5)
    depth = _depth_in_cortex(head, below_skull - 0.012, rho, theta, rng)
    mattes = {
        "scalp": _inside(1.0 - rho),
        "skull": _inside(0.945 - rho),
        "marrow": _inside(0.912 - rho) * _inside(rho - 0.882),
        "csf": _inside(below_skull),
        "grey": _inside(depth),
        "white": _inside(depth - CORTEX),
    }
    return mattes | _deep(head) | _lesion(head, rng)


def _polar(size: tuple[int, int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Radius, 1 on the skin, and angle, 0 at the back, of a slightly irregular ellipse."""
    x, y = grid(size)
    u, v = (x - 0.5) / RADII[0], (y - 0.5) / RADII[1]
    theta = torch.atan2(u, v)
    egg = 1 + 0.03 * v - 0.02 * torch.cos(2 * theta)
    rho = torch.sqrt(u**2 + v**2) * egg + 0.03 * (smooth_noise(size, 4, rng) - 0.5)
    return rho, theta


def _depth_in_cortex(
    head: Head, depth: Tensor, rho: Tensor, theta: Tensor, rng: np.random.Generator
) -> Tensor:
    """Distance from the nearest folded surface, positive inside the brain.

    Sulci run inwards from the surface, bent by noise, to a depth that varies; the two hemispheres
    part at the midline.
    """
    size = head.size
    bend = 5 * (smooth_noise(size, 6, rng) - 0.5) + 3 * (smooth_noise(size, 16, rng) - 0.5)
    across = torch.asin(torch.sin(SULCI / 2 * theta + bend)).abs() * 2 / SULCI * rho
    reach = 0.02 + 0.36 * smooth_noise(size, 20, rng).clamp(0, 1)
    to_sulcus = torch.hypot(across, (depth - reach).clamp(min=0)) - 0.010
    x, y = grid(size)
    wander = 0.012 * (smooth_noise(size, 8, rng) - 0.5)
    beyond = ((y - 0.5).abs() - 0.17).clamp(max=0) if head.ventricles else torch.zeros(1)
    to_midline = torch.hypot((x - 0.5 + wander) / RADII[0], -beyond / RADII[1]) - 0.012
    return torch.minimum(torch.minimum(depth, to_sulcus), to_midline)


def _deep(head: Head) -> dict[str, Tensor]:
    """Nuclei, ventricles and the calcified choroid plexus; empty above the ventricles."""
    if not head.ventricles:
        return {}
    scale = head.ventricles
    nuclei = _mirrored(head, (0.070, 0.02), (0.048, 0.070), 15)  # thalamus
    nuclei = torch.maximum(nuclei, _mirrored(head, (0.135, -0.04), (0.026, 0.085), -12))  # putamen
    nuclei = torch.maximum(nuclei, _mirrored(head, (0.072, -0.10), (0.020, 0.045), 20))  # caudate
    horns = _mirrored(head, (0.042 * scale, -0.115), (0.019 * scale, 0.062 * scale), -18)
    back = _mirrored(head, (0.092 * scale, 0.135), (0.022 * scale, 0.085 * scale), -20)
    third = ellipse(head.size, (0.5, 0.5), (0.008 * scale, 0.055))
    plexus = _mirrored(head, (0.085 * scale, 0.115), (0.009, 0.013), 0)
    return {
        "nuclei": soften(nuclei, 1.2),
        "fluid": soften(torch.stack([horns, back, third]).amax(dim=0), 0.8),
        "calcification": torch.maximum(plexus, ellipse(head.size, (0.5, 0.585), (0.009, 0.010))),
    }


def _mirrored(head: Head, offset: Point, radii: Point, degrees: float) -> Tensor:
    """An ellipse and its mirror image, ``offset`` from the centre of the slice."""
    right = ellipse(head.size, (0.5 + offset[0], 0.5 + offset[1]), radii, degrees)
    left = ellipse(head.size, (0.5 - offset[0], 0.5 + offset[1]), radii, -degrees)
    return torch.maximum(left, right)


def _lesion(head: Head, rng: np.random.Generator) -> dict[str, Tensor]:
    """An irregular lesion in swollen white matter."""
    x, y = grid(head.size)
    height, width = head.size
    distance = torch.hypot((x - head.lesion[0]) * width, (y - head.lesion[1]) * height)
    ragged = distance / (head.lesion_radius * math.sqrt(height * width))
    ragged = ragged + 0.9 * (fractal_noise(head.size, 14, 2, rng) - 0.5)
    return {
        "oedema": soften(_inside(1.9 - ragged, 2.0), 2.0),
        "lesion": _inside(1 - ragged, 6.0),
    }


def _inside(distance: Tensor, steepness: float = 90.0) -> Tensor:
    """A matte that is 1 where ``distance`` is positive, with a narrow edge."""
    return (distance * steepness + 0.5).clamp(0, 1)
