"""Axes, images, maps and colour bars on a page, in inches from its top left; the page on disk."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from torch import Tensor

from fusionlab.data.colour import to_levels
from fusionlab.errors import InputError
from fusionlab.runs.files import write_atomic
from fusionlab.runs.rd_colours import ENDS, RDScale

DPI = 300
PAGE_WIDTH = 7.16  # both columns of an IEEE page
PAGE_HEIGHT = 9.0  # leaves a line for the caption
GAP = 0.05
TITLE = 0.19  # a line of text above an image
BAR = 0.08
BAR_SPACE = GAP + BAR + 0.44  # with its ticks
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "font.size": 7.5,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.parse_math": False,  # names of files may hold dollars
    "pdf.fonttype": 42,  # TrueType: text stays text; journals refuse type 3
}
# Okabe and Ito's colours, told apart by every eye
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":")

styled = rc_context(STYLE)  # decorates what draws


class Page:
    """A figure of a page's width.

    Args:
        height: Its height.
    """

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = Figure(figsize=(PAGE_WIDTH, height))

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes at a place."""
        bottom = self.height - top - height
        size = (PAGE_WIDTH, self.height, PAGE_WIDTH, self.height)
        place = [v / whole for v, whole in zip((left, bottom, width, height), size, strict=True)]
        return self.figure.add_axes((place[0], place[1], place[2], place[3]))

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """A text centred at a place."""
        style = {"ha": "center", "va": "center", **style}
        self.figure.text(x / PAGE_WIDTH, 1 - y / self.height, text, **style)

    def image(self, image: Tensor, left: float, top: float, width: float, height: float) -> Axes:
        """An image, (1, H, W) or (3, H, W): uint8, or floating point in [0, 1]."""
        axes = self._bare(left, top, width, height)
        levels = image if image.dtype == torch.uint8 else to_levels(image)
        axes.imshow(levels.cpu().expand(3, -1, -1).permute(1, 2, 0).numpy(), aspect="auto")
        return axes

    def map(
        self,
        values: Tensor,
        place: tuple[float, float, float, float],
        colours: str,
        limits: tuple[float, float],
    ) -> AxesImage:
        """A map (H, W) in the colours of a Matplotlib colour map."""
        axes = self._bare(*place)
        pixels = values.cpu().float().numpy()
        return axes.imshow(pixels, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")

    def bar(
        self, mapped: AxesImage, values: Tensor, left: float, top: float, height: float
    ) -> None:
        """The colour bar of maps that hold ``values``; pointed where some lie beyond its ends."""
        low, high = mapped.get_clim()
        below, above = bool(values.min() < low), bool(values.max() > high)
        extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}
        bar = self.figure.colorbar(
            mapped,
            cax=self.axes(left + GAP, top, BAR, height),
            extend=extend[below, above],
            ticks=[low, (low + high) / 2, high],
        )
        bar.ax.set_yticklabels([_short(tick) for tick in (low, (low + high) / 2, high)])
        bar.outline.set_linewidth(0.5)

    def rd_map(
        self, rd: Tensor, place: tuple[float, float, float, float], scale: RDScale
    ) -> AxesImage:
        """RD (H, W) in the colours of a scale; says so where it is uniform."""
        axes = self._bare(*place)
        pixels = rd.cpu().float().numpy()
        mapped = axes.imshow(pixels, cmap=_RD_COLOURS, norm=_norm(scale), aspect="auto")
        if scale.is_uniform(rd):
            text: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
            axes.text(0.5, 0.5, "uniform", color="0.4", **text)
        return mapped

    def rd_bar(
        self,
        mapped: AxesImage,
        scale: RDScale,
        place: tuple[float, float, float],
        relative: bool = False,
    ) -> None:
        """The colour bar of RD maps.

        Args:
            mapped: One of them.
            scale: Their scale.
            place: Right edge of the maps, top and height of the bar.
            relative: Whether the maps are of different M.
        """
        left, top, height = place
        values, texts = zip(*scale.ticks(relative), strict=True)
        cax = self.axes(left + GAP, top, BAR, height)
        bar = self.figure.colorbar(mapped, cax=cax, ticks=values)
        bar.ax.set_yticklabels(texts)
        bar.ax.minorticks_off()
        bar.ax.set_ylim(*scale.ends)
        bar.outline.set_linewidth(0.5)

    def _bare(self, left: float, top: float, width: float, height: float) -> Axes:
        axes = self.axes(left, top, width, height)
        axes.set_axis_off()
        return axes


_RD_COLOURS = LinearSegmentedColormap.from_list("RD", ENDS, 255)


def _norm(scale: RDScale) -> FuncNorm:
    """Colour grows with the root of the deviation from 1/M."""

    def forward(rd: Any) -> Any:
        return np.sign(rd - scale.centre) * np.sqrt(np.abs(rd - scale.centre))

    def back(root: Any) -> Any:
        return scale.centre + np.sign(root) * np.square(root)

    ends = scale.centre - scale.reach, scale.centre + scale.reach
    return FuncNorm((forward, back), *ends)


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def label(axes: Axes, text: str) -> None:
    """Write into the upper left corner of an image, legible on any."""
    outline = [withStroke(linewidth=1.5, foreground="black")]
    axes.text(
        *(0.03, 0.97, text),
        transform=axes.transAxes,
        va="top",
        color="white",
        path_effects=outline,
    )


def legend_above(axes: Axes) -> None:
    """A legend in one line above the axes, where it hides nothing."""
    count = len(axes.get_legend_handles_labels()[0])
    axes.legend(
        frameon=False, ncols=count, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2
    )


def columns(
    count: int, bars: Collection[int] = (), left: float = 0.0, widest: float = PAGE_WIDTH
) -> tuple[list[float], float]:
    """Left edges and common width of columns, centred on the page.

    Args:
        count: How many.
        bars: Those with space for a colour bar behind them.
        left: Space kept free on the left.
        widest: Largest width of a column.
    """
    space = [BAR_SPACE if k in bars else 0.0 for k in range(count)]
    room = PAGE_WIDTH - left - sum(space) - GAP * (count - 1)
    width = min(widest, room / count)
    start = left + (room - count * width) / 2
    return [start + k * (width + GAP) + sum(space[:k]) for k in range(count)], width


def shorten(text: str, width: float) -> str:
    """As much of a text as fits into a width."""
    fitting = int(width / 0.063)  # of an average letter
    return text if len(text) <= fitting else f"{text[: max(1, fitting - 1)]}…"


def limit(values: Tensor) -> float:
    """End of a colour scale: all but the largest 0.1 % lie within it; 1 if everything is 0."""
    sizes = values.cpu().abs().float().numpy()
    return float(np.quantile(sizes, 0.999)) or float(sizes.max()) or 1.0


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.pdf`` (text as text) and ``stem.png`` (300 dpi).

    Raises:
        InputError: If they cannot be written.
    """
    paths = []
    with rc_context(STYLE):
        for kind in ("pdf", "png"):
            buffer = io.BytesIO()
            dated = {"CreationDate": None} if kind == "pdf" else {}  # else no two are the same
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=dated)
            paths.append(write(stem, kind, buffer.getvalue()))
    return paths


def write(stem: Path, kind: str, content: bytes) -> Path:
    """Write a file beside the figure.

    Raises:
        InputError: If it cannot be written.
    """
    path = stem.with_name(f"{stem.name}.{kind}")
    try:
        write_atomic(path, content)
    except OSError as reason:
        raise InputError(f"{path} cannot be written ({reason.strerror}); set output") from None
    return path
