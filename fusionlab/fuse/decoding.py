"""Reading a video: what it is, and its frames."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusionlab.errors import InputError

READ = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv"})


class Facts(NamedTuple):
    """What a video is."""

    size: tuple[int, int]
    """Height and width, as displayed."""
    frames: int
    rate: Fraction


def is_video(path: Path) -> bool:
    """Whether a file's name says that it is a video."""
    return path.suffix.casefold() in READ


def video_facts(path: Path) -> Facts:
    """Size, length and frame rate.

    Raises:
        InputError: If the file is no video.
    """
    av = pyav()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path} holds no video")
            stream = container.streams.video[0]
            rate, stated = stream.average_rate or stream.guessed_rate, stream.frames
            frames = stated or sum(packet.size > 0 for packet in container.demux(stream))
        first = next(read_frames(path), None)
    except av.FFmpegError as reason:
        raise _unreadable(path, reason) from None
    if first is None or not rate:
        raise InputError(f"{path} holds no frames that can be decoded")
    return Facts((first.shape[1], first.shape[2]), frames, rate)


def read_frames(path: Path) -> Iterator[Tensor]:
    """Frames as images are read: (1, H, W) or (3, H, W), float32 in [0, 1], upright.

    Raises:
        InputError: If one cannot be decoded.
    """
    av = pyav()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                yield _image(frame)
    except av.FFmpegError as reason:
        raise _unreadable(path, reason) from None


def pyav() -> Any:
    """PyAV, which only videos need.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise InputError('videos need PyAV; pip install "fusionlab[video]"') from None
    return av


def _image(frame: Any) -> Tensor:
    deep = max(component.bits for component in frame.format.components) > 8
    if frame.format.name.startswith("gray"):
        pixels = frame.to_ndarray(format="gray16le" if deep else "gray")[..., None]
    else:
        pixels = frame.to_ndarray(format="rgb48le" if deep else "rgb24")
    pixels = np.rot90(pixels, round(frame.rotation / 90))  # counterclockwise, as the angle is
    scaled = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def _unreadable(path: Path, reason: Exception) -> InputError:
    text = getattr(reason, "strerror", None) or type(reason).__name__
    return InputError(f"{path} cannot be read as a video ({text}); get it again or convert it")
