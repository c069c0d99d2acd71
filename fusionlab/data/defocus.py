"""Defocus of a sharp photograph: one radius for all, or a radius that follows the depth.

The blur is the Gaussian with which IFCNN made its multi-focus training pairs from NYU-D2: Zhang et
al., Information Fusion 54, 2020, https://doi.org/10.1016/j.inffus.2019.07.011, with the kernel as
the erratum in the authors' README prints it.
Differs: the depth is cut into slices that blur and cover each other, so that an object in front of
the focused plane spreads over what is behind it.
"""

from collections.abc import Sequence

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor


def gaussian_kernel(radius: int) -> tuple[int, float]:
    """Kernel size ``k = 2 radius + 1`` and ``sigma = 0.6 (k - 1) + 0.8`` of IFCNN's blur.

    Source: the erratum in the README of https://github.com/uzeful/IFCNN. OpenCV's own default is
    ``0.3 ((k - 1) / 2 - 1) + 0.8``; the wider one is close to a box, as an open aperture is.
    """
    size = 2 * radius + 1
    return size, 0.6 * (size - 1) + 0.8


def defocus(images: Tensor, radius: int) -> Tensor:
    """Blur images with one Gaussian.

    Convention: the border is reflected; radius 0 returns the images themselves.

    Args:
        images: (B, C, H, W).
        radius: Radius of the kernel in pixels, smaller than both sides of the image.

    Returns:
        (B, C, H, W).

    Raises:
        ValueError: If the radius is negative, or too large for the images.
    """
    height, width = images.shape[-2:]
    if not 0 <= radius < min(height, width):
        raise ValueError(
            f"radius must lie in 0..{min(height, width) - 1} for images of {height} x {width}, "
            f"got {radius}"
        )
    if radius == 0:
        return images
    size, sigma = gaussian_kernel(radius)
    return gaussian_blur2d(images, (size, size), (sigma, sigma), border_type="reflect")


def layered_defocus(
    image: Tensor,
    disparity: Tensor,
    planes: Sequence[float],
    aperture: float,
    depth_of_field: float = 0.0,
    layers: int = 2,
) -> Tensor:
    """Focus a photograph on each of M planes.

    Convention: a thin lens blurs in proportion to the difference of inverse depths, hence
    disparity; source m blurs a slice of disparity d with
    ``radius = aperture * max(|d - planes[m]| - depth_of_field, 0)``, rounded. The slices lie at
    ``0, 1 / (layers - 1), ..., 1``; a pixel between two of them belongs to both, linearly. They are
    composed from far to near with mattes that are blurred like the slices.

    Args:
        image: The sharp photograph, (C, H, W).
        disparity: (1, H, W) in [0, 1]; 1 is nearest. With ``layers=2`` it is the matte of an object
            in front of a background.
        planes: The M focused disparities.
        aperture: Blur radius in pixels per unit of disparity.
        depth_of_field: Disparity on either side of a plane that stays sharp.
        layers: Number of slices.

    Returns:
        (M, C, H, W), the sources in the order of ``planes``, in the range of ``image``.
    """
    level = disparity * (layers - 1) - torch.arange(layers)[:, None, None]
    alpha = (1 - level.abs()).clamp(min=0)[:, None]  # (L, 1, H, W), sums to one over the slices
    slices = torch.cat([image * alpha, alpha], dim=1)  # (L, C + 1, H, W)
    radii = [
        [_blur_radius(k / (layers - 1), plane, aperture, depth_of_field) for k in range(layers)]
        for plane in planes
    ]
    blurred = _blurred_slices(slices, {(k, r) for row in radii for k, r in enumerate(row)})
    return torch.stack([_compose([blurred[k, r] for k, r in enumerate(row)]) for row in radii])


def _blur_radius(disparity: float, plane: float, aperture: float, depth_of_field: float) -> int:
    return round(aperture * max(abs(disparity - plane) - depth_of_field, 0.0))


def _blurred_slices(slices: Tensor, wanted: set[tuple[int, int]]) -> dict[tuple[int, int], Tensor]:
    """Blur each wanted (slice, radius); slices of one radius share a call."""
    blurred = {}
    for radius in sorted({r for _, r in wanted}):
        members = sorted(k for k, r in wanted if r == radius)
        for k, result in zip(members, defocus(slices[members], radius), strict=True):
            blurred[k, radius] = result
    return blurred


def _compose(slices: list[Tensor]) -> Tensor:
    """Lay slices (C + 1, H, W), colour times alpha and alpha, over each other from far to near.

    The sum is divided by the covered fraction: where a near slice hides the ones behind, these have
    holes that take the colour of their surroundings.
    """
    canvas = slices[0]
    for layer in slices[1:]:
        canvas = canvas * (1 - layer[-1:]) + layer
    return canvas[:-1] / canvas[-1:]
