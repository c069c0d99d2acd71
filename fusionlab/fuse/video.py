"""The frames of several videos, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.fuse.decoding import Facts, read_frames, video_facts


class VideoDataset(FusionDataset):
    """The frames of several videos, side by side; they come in their order, and once.

    Args:
        sources: The videos by the names of the sources.
        task: The task.
        colour: ``luma`` or ``rgb``.

    Raises:
        InputError: If PyAV is missing, a file is no video, or they differ in size or length.
    """

    def __init__(self, sources: dict[str, Path], task: str, colour: str) -> None:
        super().__init__("videos", task, colour)
        self.paths = list(sources.values())
        self.facts = {path: video_facts(path) for path in self.paths}
        first, *others = self.paths
        for path in others:
            _check_same(first, self.facts[first], path, self.facts[path])
        self.size, self.length, self.rate = self.facts[first]
        self.ids = [f"{first.stem}, frame {k}," for k in range(1, self.length + 1)]
        self.source_names = [tuple(sources)] * self.length
        self.sizes = [self.size] * self.length
        self._frames: list[Tensor] = []

    def images(self, index: int) -> tuple[list[Tensor], None]:
        """The frames that :meth:`samples` has come to."""
        return self._frames, None

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

    def samples(self) -> Iterator[dict[str, Any]]:
        """The samples, frame by frame.

        Raises:
            InputError: If a video breaks off before the others.
        """
        readers = [read_frames(path) for path in self.paths]
        frames = islice(zip_longest(*readers), self.length)
        for index, together in enumerate(frames):
            for path, frame in zip(self.paths, together, strict=True):
                if frame is None:
                    raise InputError(f"{path} ends after {index} frames, others go on")
            self._frames = list(together)
            yield self[index]


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
