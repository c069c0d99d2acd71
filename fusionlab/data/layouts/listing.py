"""What is found in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusionlab.data.files import UnmatchedError


@dataclass(frozen=True)
class Sample:
    """The files of one sample; the order of ``sources`` is the order of the M sources."""

    id: str
    sources: dict[str, Path]
    reference: Path | None = None


@dataclass
class Listing:
    """What a folder holds: its samples, how they were found, and what was left aside.

    ``left_out`` are files of samples that were allowed to be incomplete; ``split`` is the part that
    was asked for; ``manifest`` is what a result says of the manifest that the files were checked
    against.
    """

    root: Path
    layout: str
    samples: list[Sample]
    ignored: list[Path] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    split: str | None = None
    manifest: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """What the data are called in results: as their manifest says, else as the folder."""
        if self.manifest:
            return self.manifest["name"]
        return " ".join(filter(None, (self.root.resolve().name, self.split)))

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the sources, those of the sample that has most."""
        return max((tuple(sample.sources) for sample in self.samples), key=len)


def no_partner(paths: Sequence[Path], where: Path) -> UnmatchedError:
    """The mistake of samples that lack a source or their ground truth; the first is named."""
    return UnmatchedError(
        f"{paths[0]} has no partner {where}; add it, move the file away or set data.layout", paths
    )
