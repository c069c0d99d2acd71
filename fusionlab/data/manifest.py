"""Manifests of named data sets: which files belong to them, in which order, and where to get them.

A manifest holds no pixels. One that lists its samples says of each file where it lies and, where
known, how many bytes it has and their SHA-256; one that does not says how its folder is laid out
and how many samples there are.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from fusionlab.data.files import EXTENSIONS, extension, natural
from fusionlab.data.layouts import LAYOUTS
from fusionlab.errors import InputError
from fusionlab.settings.checks import stays_inside

TASKS = ("vif", "mif", "mef", "mff")
TRUTH = "reference"  # what samples call their ground truth


@dataclass(frozen=True)
class File:
    """A file of a sample.

    Args:
        path: Where it lies in the data set, with slashes.
        size: Its bytes, None if not known.
        sha256: Their hash, None if not known.

    Raises:
        InputError: If the path is no image inside the data set, or the hash none.
    """

    path: str
    size: int | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        """Check what a text may say."""
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or "\\" in self.path:
            raise InputError(f"path {self.path} must lie in the data set, with slashes")
        if extension(path) not in EXTENSIONS:
            raise InputError(f"path {self.path} must end in one of {', '.join(sorted(EXTENSIONS))}")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise InputError(f"sha256 of {self.path} must be 64 hexadecimal digits")


@dataclass(frozen=True)
class Manifest:
    """A named data set.

    Args:
        name: What it is called in results and in ``data.name``.
        title: What it is, in a line.
        task: ``vif``, ``mif``, ``mef`` or ``mff``.
        layout: ``subfolders``, ``scenes`` or ``suffixes``.
        origin: Where to get it.
        licence: Its licence, or other terms of use.
        note: How it is usually used, and what to know of it.
        paper: Where it was published.
        sources: Names of the sources in their order, each with the subfolder or suffix that holds
            it; empty where samples are exposures, numbered in natural order.
        reference: Subfolder or suffix with the ground truth.
        split: Subfolder of the data set, or of each source's, with the part that is meant.
        count: Number of samples.
        samples: Files by id and by name of the source, the ground truth's under
            ``reference``; None if every sample in the folder is meant.

    Raises:
        InputError: If these do not go together.
    """

    name: str
    title: str
    task: str
    layout: str
    origin: str
    licence: str
    note: str = ""
    paper: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    reference: str | None = None
    split: str | None = None
    count: int | None = None
    samples: dict[str, dict[str, File]] | None = None

    def __post_init__(self) -> None:
        """Check what a text may say."""
        for key, value, known in (("task", self.task, TASKS), ("layout", self.layout, LAYOUTS)):
            if value not in known:
                raise InputError(f"{key} must be one of {', '.join(known)}, got {value!r}")
        for name, place in self.sources.items():
            stays_inside("source", name)
            stays_inside(f"folder of source {name}", place)
        for key in ("reference", "split"):
            if getattr(self, key) is not None:
                stays_inside(key, getattr(self, key))
        if TRUTH in self.sources:
            raise InputError(f"sources must not be called {TRUTH}")
        if self.samples is None:
            return
        if self.count != len(self.samples) or not self.samples:
            raise InputError(f"count is {self.count}, but there are {len(self.samples)} samples")
        for id, sample in self.samples.items():
            _check_sample(id, set(sample), set(self.sources))
        paths = [file.path.casefold() for file in self.files]
        if len(set(paths)) < len(paths):
            raise InputError("two files have the same path")

    @property
    def ids(self) -> list[str] | None:
        """The samples in their order."""
        return None if self.samples is None else sorted(self.samples, key=natural)

    @property
    def files(self) -> list[File]:
        """The files of all samples in their order."""
        samples = self.samples or {}
        return [file for id in self.ids or () for file in samples[id].values()]

    @property
    def sha256(self) -> str:
        """Hash of all that decides which images are fused, and as what.

        Title, origin, licence, note and paper do not matter, nor the order of keys; that of sources
        does.
        """
        samples = {
            id: {name: [file.path, file.size, file.sha256] for name, file in sample.items()}
            for id, sample in (self.samples or {}).items()
        }
        said = {
            **{key: getattr(self, key) for key in ("name", "task", "layout", "reference")},
            **{key: getattr(self, key) for key in ("split", "count")},
            "sources": list(self.sources.items()),
            "samples": samples,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _check_sample(id: str, names: set[str], sources: set[str]) -> None:
    stays_inside("sample", id)
    for name in sorted(names):
        stays_inside("source", name)
    for name in sorted(sources - names):
        raise InputError(f"sample {id} has no {name}")
    for name in sorted(names - sources - {TRUTH} if sources else ()):
        raise InputError(f"sample {id} has a {name}, which is not among the sources")
    if len(names - {TRUTH}) < 2:
        raise InputError(f"sample {id} must have two sources or more")
