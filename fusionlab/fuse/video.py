"""Reading videos: what they are, their frames, and the frames of several side by side."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError

READ = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv"})


class VideoDataset(FusionDataset):
    """The frames of several videos, side by side.

    They come fastest in their order; for an earlier one the videos are read from their start.

    Args:
        sources: The videos by the names of the sources.
        task: The task.

    Raises:
        InputError: If PyAV is missing, a file is no video, or they differ in size or length.
    """

    def __init__(self, sources: dict[str, Path], task: str) -> None:
        super().__init__("videos", task)
        self.paths = list(sources.values())
        self.facts = {path: video_facts(path) for path in self.paths}
        first, *others = self.paths
        for path in others:
            _check_same(first, self.facts[first], path, self.facts[path])
        self.size, length, self.rate = self.facts[first]
        self.ids = [f"{first.stem}, frame {k}," for k in range(1, length + 1)]
        self.source_names = [tuple(sources)] * length
        self.sizes = [self.size] * length
        self._frames: Iterator[list[Tensor]] = iter(())
        self._next = -1  # number of the frame that comes next; -1 if none does

    def images(self, index: int) -> tuple[list[Tensor], None]:
        """The frames of this number.

        Raises:
            InputError: If one cannot be decoded, or a video breaks off before the others.
        """
        if index != self._next:
            self._frames = islice(self._together(), index, None)
        self._next = -1
        images = next(self._frames)
        self._next = index + 1
        return images, None

    def describe(self) -> dict[str, Any]:
        """The files, and their task."""
        return {"name": self.name, "task": self.task, "files": list(map(str, self.paths))}

    def notes(self) -> list[str]:
        """Lines for the user: where the fused video differs from a source."""
        height, width = self.size
        notes = [
            f"{path} has {float(facts.rate):g} frames per second, the fused video "
            f"{float(self.rate):g}"
            for path, facts in self.facts.items()
            if facts.rate != self.rate
        ]
        if height % 2 or width % 2:
            notes.append(f"{width}x{height} is odd: colours at full size, which few players show")
        return notes

    def _together(self) -> Iterator[list[Tensor]]:
        frames = zip_longest(*(read_frames(path) for path in self.paths))
        for index, together in enumerate(islice(frames, len(self))):
            for path, frame in zip(self.paths, together, strict=True):
                if frame is None:
                    raise InputError(f"{path} ends after {index} frames, others go on")
            yield list(together)


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


def _check_same(first: Path, one: Facts, path: Path, other: Facts) -> None:
    if one.size != other.size:
        raise InputError(
            f"{path} is {other.size[1]}x{other.size[0]} but {first} is "
            f"{one.size[1]}x{one.size[0]}; register them to one size first"
        )
    if one.frames != other.frames:
        raise InputError(
            f"{path} has {other.frames} frames but {first} has {one.frames}; cut them to the same"
        )
