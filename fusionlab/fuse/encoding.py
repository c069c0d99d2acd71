"""Writing a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from fusionlab.fuse.video import pyav

WRITTEN = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
CRF = "18"  # H.264's quality; compression is hardly visible at this one
BT709 = 1  # number of this matrix, these primaries and this curve in H.264's tables
LIMITED = 1  # number of the range 16 … 235


class VideoWriter:
    """Writes frames as H.264 of a constant rate; the file appears when the context ends.

    Convention: BT.709 in limited range, CRF 18; 4:2:0, which every player shows, but 4:4:4 where
    the height or width is odd. A context that ends early leaves the frames written so far.

    Args:
        path: The video, of one of the endings in ``WRITTEN``.
        rate: Frames per second.
    """

    def __init__(self, path: Path, rate: Fraction) -> None:
        self.path, self.rate = path, rate
        self.partial = path.with_name(f".{path.name}.partial")
        self.frames = 0
        self._container: Any = None
        self._stream: Any = None

    def write(self, levels: np.ndarray) -> None:
        """Add a frame, (H, W, 3) uint8."""
        av = pyav()
        if self._container is None:
            self._open(*levels.shape[:2])
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="rgb24")
        converted = frame.reformat(
            format=self._stream.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        self._container.mux(self._stream.encode(converted))
        self.frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._container is None:
            return
        kept = self.frames > 0 and not isinstance(error, OSError)  # that was the disk, say
        if kept:
            self._container.mux(self._stream.encode())  # what the encoder still holds
        self._container.close()
        if kept:
            self.partial.replace(self.path)
        else:
            self.partial.unlink(missing_ok=True)

    def _open(self, height: int, width: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kind = WRITTEN[self.path.suffix.casefold()]
        self._container = pyav().open(str(self.partial), "w", format=kind)
        stream = self._container.add_stream("libx264", rate=self.rate, options={"crf": CRF})
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        self._stream = stream
