"""Relative Dominability (RD) in colour: the one scale of every map, in figures, files and pages.

A source that counts more than its share 1/M is red, one that counts less is blue, and 1/M is
neutral. Both ends are equally far from 1/M, by default as far as the largest deviation among the
sources. Colour grows with the square root of the deviation, because most pixels lie near 1/M.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

ENDS = ("#2166ac", "#f7f7f7", "#b2182b")  # of ColorBrewer's RdBu, which every eye tells apart
STEPS = 11  # colours on each side of 1/M in a file: more make it twice as large
ROUNDING = 1e-6  # what RD of 1/M may differ by in single precision
HATCH = 16  # pixels from one line to the next in a map that is uniform
GREY = (150, 150, 150)  # of these lines


@dataclass(frozen=True)
class RDScale:
    """Which colour an RD has.

    Args:
        centre: 1/M, neutral.
        reach: The deviation from it that has the full colour, on both sides.
    """

    centre: float
    reach: float

    @classmethod
    def of(cls, sources: int, maps: Iterable[Tensor], fixed: bool = False) -> RDScale:
        """The scale of maps that are shown together.

        Args:
            sources: Number of sources M.
            maps: RD of some or all of them, of any shape.
            fixed: From 0 to 1 whatever the maps hold.
        """
        ends = [(one.min().item(), one.max().item()) for one in maps]
        return cls.between(sources, min(e[0] for e in ends), max(e[1] for e in ends), fixed)

    @classmethod
    def of_numbers(cls, sources: Mapping[str, Mapping[str, float]]) -> RDScale:
        """The scale of the maps of an image, from ``low`` and ``high`` of its lines in ``rd.csv``.

        Args:
            sources: The lines by source.
        """
        low = min(one["low"] for one in sources.values())
        return cls.between(len(sources), low, max(one["high"] for one in sources.values()))

    @classmethod
    def between(cls, sources: int, low: float, high: float, fixed: bool = False) -> RDScale:
        """The scale of RD from ``low`` to ``high``; from 0 to 1 where it is fixed or uniform."""
        centre = 1 / sources
        reach = max(centre - low, high - centre)
        return cls(centre, _whole(centre) if fixed or reach <= ROUNDING else reach)

    @property
    def contrast(self) -> float:
        """What the colours keep of their distance from the neutral one on the scale from 0 to 1."""
        return math.sqrt(self.reach / _whole(self.centre))

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest RD on the scale; no RD is below 0 or above 1."""
        return max(0.0, self.centre - self.reach), min(1.0, self.centre + self.reach)

    def ticks(self, relative: bool = False) -> list[tuple[float, str]]:
        """RD at the ends, where a colour is half, and in the middle, from low to high, with texts.

        Args:
            relative: Whether the texts are of the deviation from 1/M: of maps of different M.
        """
        low, high = self.ends
        steps = [low - self.centre, -self.reach / 4, 0.0, self.reach / 4, high - self.centre]
        if relative:
            texts = [f"1/M {self._short(step, '+')}" if step else "1/M" for step in steps]
        else:
            texts = [self._short(self.centre + step) for step in steps]
        return [(self.centre + step, text) for step, text in zip(steps, texts, strict=True)]

    def legend(self, low: float, high: float) -> str:
        """What stands beside a map whose RD goes from ``low`` to ``high``."""
        return "uniform" if self._is_uniform(low, high) else str(self)

    def shades(self, rd: Tensor, steps: int = STEPS) -> Tensor:
        """Places in :func:`palette`, uint8; what lies beyond an end has its colour."""
        share = ((rd.float() - self.centre) / self.reach).clamp(-1, 1)
        return (steps * (1 + share.sign() * share.abs().sqrt())).round().to(torch.uint8)

    def is_uniform(self, rd: Tensor) -> bool:
        """Whether RD is 1/M at every pixel, so that this source is fused statically."""
        return self._is_uniform(rd.min().item(), rd.max().item())

    def picture(self, rd: Tensor) -> Image.Image:
        """RD (H, W) in colours; hatched if it is uniform."""
        shades = self.shades(rd.detach()).cpu()
        if self.is_uniform(rd):
            rows, columns = (torch.arange(size) for size in shades.shape)
            shades[(rows[:, None] + columns) % HATCH == 0] = 2 * STEPS + 1
        picture = Image.fromarray(shades.numpy())
        picture.putpalette([*palette().ravel().tolist(), *GREY])
        return picture

    def colours(self, rd: Tensor) -> np.ndarray:
        """RD (H, W) as (H, W, 3) uint8."""
        return np.asarray(self.picture(rd).convert("RGB"))

    def bar(self, width: int, height: int) -> Image.Image:
        """A colour bar, the largest RD at its top."""
        low, high = self.ends
        top, bottom = (_root((end - self.centre) / self.reach) for end in (high, low))
        share = torch.linspace(top, bottom, height)[:, None].expand(height, width)
        rd = self.centre + self.reach * share * share.abs()
        return Image.fromarray(palette(127)[self.shades(rd, 127).numpy()])

    def legend_picture(self) -> Image.Image:
        """The colour bar with its numbers."""
        width, height, edge = 20, 200, 10
        picture = Image.new("RGB", (width + 90, height + 2 * edge), "white")
        picture.paste(self.bar(width, height), (edge, edge))
        draw, (low, high) = ImageDraw.Draw(picture), self.ends
        top, bottom = (
            _root((high - self.centre) / self.reach),
            _root((low - self.centre) / self.reach),
        )
        for value, text in self.ticks():
            share = (top - _root((value - self.centre) / self.reach)) / (top - bottom)
            y = edge + share * (height - 1)
            draw.line((edge + width, y, edge + width + 4, y), "black")
            font = ImageFont.load_default(12)
            draw.text((edge + width + 8, y), text, "black", font, anchor="lm")
        return picture

    def __str__(self) -> str:
        """As a legend has it: ``0.500 ± 0.046``."""
        return f"{self.centre:.{self._digits}f} ± {self.reach:.{self._digits}f}"

    def _is_uniform(self, low: float, high: float) -> bool:
        return max(self.centre - low, high - self.centre) <= ROUNDING

    def _short(self, value: float, sign: str = "") -> str:
        text = f"{value:{sign}.{self._digits + 1}f}"
        return text.rstrip("0").rstrip(".").replace("-", "−")

    @property
    def _digits(self) -> int:
        """Decimals that show two digits of the reach."""
        return max(2, 1 - math.floor(math.log10(self.reach)))


def _whole(centre: float) -> float:
    """The reach of the scale from 0 to 1; a single source has RD 1, which is its centre."""
    return 1 - centre or 1.0


def _root(share: float) -> float:
    return math.copysign(math.sqrt(abs(share)), share)


@cache
def palette(steps: int = STEPS) -> np.ndarray:
    """The colours from low to high RD, (2·steps + 1, 3) uint8: linear from the middle to an end."""
    low, middle, high = (np.array([int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in ENDS)
    share = np.linspace(0, 1, steps + 1)[:, None]
    up, down = middle + share * (high - middle), middle + share * (low - middle)
    return np.concatenate([down[:0:-1], up]).round().astype(np.uint8)
