"""Two sources made of a photograph, and what should be fused of them: what bundled networks learn.

Where real pairs with a truth are missing, the photograph is seen by two cameras that each miss a
part of it: by exposure, by focus, or since one sees other light than the other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.data.crops import random_matte
from fusionlab.data.shapes import smooth_noise

EVEN_LIGHT = 0.75  # fraction of exposure pairs under a light that a single exposure can hold
BREATHING = 0.6  # fraction of focus pairs in which the lens changes the field of view
MOST_BREATHING = 0.02  # of the scale
MOST_SHIFT = 2.0  # pixels
EXPOSURE_NOISE = 0.008  # largest standard deviation
FOCUS_NOISE = 0.0  # noise is what a source out of focus has too, and hides which one is sharp
WIDEST_BLUR = 10.0  # pixels, radius
SENSOR_NOISE = 0.01  # largest standard deviation
INVERTED, BLURRED, HOT, DARK = 0.3, 0.7, 0.6, 0.4  # fractions of pairs of two sensors


def exposure_pair(photo: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A darker and a brighter exposure, and the picture in between.

    Under even light that is the exposure in the middle, with a random camera curve. Under uneven
    light, of which neither exposure holds all, it is the photograph as if the light were even.

    Args:
        photo: (C, H, W) in [0, 1].
        rng: Of all random choices.

    Returns:
        (2, C, H, W) and (C, H, W), in [0, 1].
    """
    if rng.random() < EVEN_LIGHT:
        gamma, curve = rng.uniform(1.8, 2.6), rng.uniform(0, 0.5)
        scene = photo**gamma * 2 ** rng.uniform(-1.0, 0.0)  # the middle clips nothing
        step, offset = rng.uniform(0.8, 3.2), rng.uniform(-0.3, 0.3)
        stops: tuple[Tensor | float, ...] = (0.0, offset - step, offset + step)
    else:
        gamma, curve = rng.uniform(2.0, 2.4), 0.0
        scene = (0.03 + 0.91 * photo) ** gamma
        step = rng.uniform(1.0, 2.5)
        light = step * torch.tanh(rng.uniform(2, 12) * uneven_light(photo, rng))
        stops = (0.0, light - step, light + step)
    middle, *ends = (_developed(scene * 2**stop, gamma, curve) for stop in stops)
    sources = torch.stack([_recorded(image, rng, EXPOSURE_NOISE) for image in ends])
    return (sources.flip(0) if rng.random() < 0.5 else sources), middle


def uneven_light(photo: Tensor, rng: np.random.Generator) -> Tensor:
    """A smooth field, (1, H, W), below 0 in the shade and above 0 in the light."""
    size = (photo.shape[-2], photo.shape[-1])
    field = smooth_noise(size, int(rng.integers(1, 4)), rng)
    field = (field - field.min()) / (field.max() - field.min())
    return field - rng.uniform(0.35, 0.65)


def focus_pair(photo: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """An object in focus and what is behind it in focus, and both.

    The second image may be a little larger, moved or brighter than the first, as real lenses make
    it when they focus; what should be fused follows each image's own geometry.

    Args:
        photo: (C, H, W) in [0, 1], sharp.
        rng: Of all random choices.

    Returns:
        (2, C, H, W) and (C, H, W), in [0, 1].
    """
    size = (photo.shape[-2], photo.shape[-1])
    object_ = random_matte(size, rng).view(1, *size)
    if rng.random() < 0.5:  # what is seen through a hole
        object_ = 1 - object_
    radius = rng.uniform(0.8, WIDEST_BLUR if rng.random() < 0.7 else 3.0)
    kernel = _aperture(radius, rng)
    blurred, spread = _filtered(photo, kernel), _filtered(object_, kernel)
    near = object_ * photo + (1 - object_) * blurred
    far = spread * blurred + (1 - spread) * photo
    if rng.random() < BREATHING:
        far = _breathed(far, rng)
    if rng.random() < 0.3:
        near, far = ((image * rng.uniform(0.94, 1.06)).clamp(0, 1) for image in (near, far))
    near, far = (_recorded(image, rng, FOCUS_NOISE) for image in (near, far))
    truth = object_ * near + (1 - object_) * far
    sources = torch.stack([near, far])
    return (sources.flip(0) if rng.random() < 0.5 else sources), truth


def sensor_pair(photo: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """What a camera and an infrared one see, as recorded and without noise.

    The second has other brightness for the same colours, less detail, and bright objects of its
    own; the first may lie in the dark.

    Args:
        photo: (3, H, W) in [0, 1]; (1, H, W) has no colours, of which the second sees others.
        rng: Of all random choices.

    Returns:
        (2, 1, H, W) twice, in [0, 1], visible first.
    """
    size = (photo.shape[-2], photo.shape[-1])
    visible, infrared = _tone(photo, rng), _tone(photo, rng)
    if rng.random() < INVERTED:
        infrared = 1 - infrared
    if rng.random() < BLURRED:
        infrared = _filtered(infrared, _aperture(rng.uniform(0.8, 3.0), rng))
    low = rng.uniform(0, 0.4)
    infrared = low + infrared * rng.uniform(0.1, 1 - low)
    if rng.random() < HOT:
        hot = random_matte(size, rng).view(1, *size)
        warm = rng.uniform(0.6, 1.0) + 0.2 * (visible - visible.mean())
        infrared = torch.lerp(infrared, warm, hot)
    if rng.random() < DARK:
        light = smooth_noise(size, int(rng.integers(1, 4)), rng).view(1, *size)
        visible = visible * (rng.uniform(0.05, 0.4) + rng.uniform(0, 0.6) * light)
    seen = torch.stack([visible, infrared]).clamp(0, 1)
    return torch.stack([_recorded(image, rng, SENSOR_NOISE) for image in seen]), seen


def _tone(photo: Tensor, rng: np.random.Generator) -> Tensor:
    """A mixture of the channels under a tone curve, (1, H, W)."""
    shares = torch.from_numpy(rng.dirichlet(np.ones(len(photo)))).float()
    return (shares.view(-1, 1, 1) * photo).sum(0, keepdim=True) ** rng.uniform(0.6, 1.8)


def _developed(light: Tensor, gamma: float, curve: float) -> Tensor:
    """Linear light as a camera shows it: clipped, with a gamma and some of an S-shaped curve."""
    image = light.clamp(0, 1) ** (1 / gamma)
    return (1 - curve) * image + curve * (3 * image**2 - 2 * image**3)


def _recorded(image: Tensor, rng: np.random.Generator, most: float) -> Tensor:
    """With noise of a random strength, in 8 bits."""
    noise = rng.standard_normal(tuple(image.shape), dtype=np.float32) * np.float32(
        rng.uniform(0, most)
    )
    return ((image + torch.from_numpy(noise)).clamp(0, 1) * 255).round() / 255


def _aperture(radius: float, rng: np.random.Generator) -> Tensor:
    """A disc, or a Gaussian of about that width, summing to 1: (1, 1, k, k)."""
    reach = int(np.ceil(radius))
    place = torch.arange(-reach, reach + 1.0)
    distance = (place[:, None] ** 2 + place**2).sqrt()
    if rng.random() < 0.7:
        weights = (radius + 0.5 - distance).clamp(0, 1)
    else:
        weights = (-(distance**2) / (2 * (radius / 2) ** 2)).exp()
    return (weights / weights.sum())[None, None]


def _filtered(image: Tensor, kernel: Tensor) -> Tensor:
    """(C, H, W); the border is reflected."""
    reach = kernel.shape[-1] // 2
    return F.conv2d(F.pad(image[:, None], [reach] * 4, "reflect"), kernel)[:, 0]


def _breathed(image: Tensor, rng: np.random.Generator) -> Tensor:
    """A little larger or smaller, and moved."""
    size = torch.tensor(image.shape[:0:-1])
    zoom = 1 + rng.uniform(-MOST_BREATHING, MOST_BREATHING)
    shift = torch.from_numpy(rng.uniform(-MOST_SHIFT, MOST_SHIFT, 2)).float() * 2 / size
    matrix = torch.cat([zoom * torch.eye(2), shift[:, None]], 1)[None]
    places = F.affine_grid(matrix, [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], places, padding_mode="border", align_corners=False)[0]
