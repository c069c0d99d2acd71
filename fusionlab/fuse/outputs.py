"""Where results go, and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusionlab.errors import InputError
from fusionlab.fuse.encoding import WRITTEN
from fusionlab.fusing import Picture
from fusionlab.runs.files import (
    FORMATS,
    write_deep_picture,
    write_picture,
    write_rd_arrays,
    write_rd_legend,
    write_rd_map,
)
from fusionlab.runs.rd_colours import RDScale


@dataclass(frozen=True)
class Target:
    """The files of one sample.

    Args:
        fused: The fused image or video.
        maps: Images or videos of the Relative Dominability by source; none if not wanted.
        legend: Their colours with numbers.
        arrays: The raw maps of an image.
        common: What all sources show.
        unique: What each shows alone, by source; none if not wanted.
    """

    fused: Path
    maps: dict[str, Path]
    legend: Path | None
    arrays: Path | None
    common: Path | None
    unique: dict[str, Path]

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        besides = (self.legend, self.arrays, self.common)
        own = [path for path in besides if path is not None]
        return [self.fused, *self.maps.values(), *self.unique.values(), *own]


def targets_of(
    kind: str,
    output: Path,
    ids: Sequence[str],
    names: Iterable[str],
    rd_dir: Path | None,
    decomposition_dir: Path | None = None,
) -> list[Target]:
    """The files that will be written, sample by sample; a video is one.

    Args:
        kind: ``images``, ``folders`` or ``videos``.
        output: Image, folder or video.
        ids: Names of the samples.
        names: Names of the sources.
        rd_dir: Folder of the maps, or None.
        decomposition_dir: Folder of common and unique images, or None.
    """
    fused = [output / f"{id_}.png" for id_ in ids] if kind == "folders" else [output]
    ending = output.suffix if kind == "videos" else ".png"
    targets = []
    for path in fused:
        maps = {name: rd_dir / f"{path.stem}-{name}{ending}" for name in names} if rd_dir else {}
        legend = rd_dir / f"{path.stem}-legend.png" if rd_dir else None
        arrays = rd_dir / f"{path.stem}.npz" if rd_dir and kind != "videos" else None
        of = decomposition_dir
        common = of / f"{path.stem}-common.png" if of else None
        unique = {name: of / f"{path.stem}-unique-{name}.png" for name in names} if of else {}
        targets.append(Target(path, maps, legend, arrays, common, unique))
    return targets


def check_output(kind: str, output: Path, bits: int = 8) -> None:
    """Refuse an output that the sources cannot become.

    Raises:
        InputError: Saying what is expected.
    """
    if bits == 16 and (kind == "videos" or FORMATS.get(output.suffix.casefold()) == "JPEG"):
        raise InputError(f"--bits 16 needs images in .png or .tif, got -o {output}")
    if kind == "folders":
        if output.is_file() or output.suffix.casefold() in {*FORMATS, *WRITTEN}:
            raise InputError(f"{output} is no folder; folders are fused into one, set -o to it")
        return
    endings = FORMATS if kind == "images" else WRITTEN
    if output.suffix.casefold() not in endings or output.is_dir():
        raise InputError(f"{kind} are fused into one file, {', '.join(endings)}; got -o {output}")


def notes(output: Path) -> list[str]:
    """Lines for the user: what the format does to an image."""
    if FORMATS.get(output.suffix.casefold()) != "JPEG":
        return []
    return [f"{output}: JPEG is lossy; save PNG to measure or to compare"]


def check_targets(targets: Sequence[Target], sources: Iterable[Path], overwrite: bool) -> None:
    """Refuse to lose a file, and to mix results with sources.

    Args:
        targets: What is to be written.
        sources: Files that are read, and folders that hold nothing but sources.
        overwrite: Whether files that are there may be replaced.

    Raises:
        InputError: Naming the first file that is, or would lie among, the sources, would be
            written twice, or is there.
    """
    kept = {path.resolve() for path in sources}
    seen: set[Path] = set()
    for path in (path for target in targets for path in target.paths):
        if path.resolve() in kept:
            raise InputError(f"{path} is a source and would be replaced; choose another place")
        if path.resolve().parent in kept:
            raise InputError(f"{path} would lie among the sources; choose another folder")
        if path in seen:
            raise InputError(f"{path} would be written twice; give them other folders")
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists; add --overwrite or choose another place")
        seen.add(path)


def write(target: Target, picture: Picture, bits: int = 8) -> None:
    """Write the files of a sample, its picture with 8 or 16 bits a channel.

    Raises:
        InputError: If one cannot be written.
    """
    try:
        if bits == 16 and picture.shown is not None:
            write_deep_picture(target.fused, picture.shown)
        else:
            write_picture(target.fused, picture.fused)
        if target.common is not None and picture.common is not None:
            write_picture(target.common, picture.common)
        if picture.unique is not None:
            for name, path in target.unique.items():
                write_picture(path, picture.unique[picture.source_names.index(name)])
        if picture.rd is None or picture.losses is None:
            return
        scale = RDScale.of(len(picture.rd), picture.rd)
        for name, path in target.maps.items():
            write_rd_map(path, picture.rd[picture.source_names.index(name)], scale)
        if target.legend is not None:
            write_rd_legend(target.legend, scale)
        if target.arrays is not None:
            write_rd_arrays(target.arrays, picture.rd, picture.losses, picture.source_names)
    except OSError as reason:
        raise InputError(
            f"cannot write the results of {target.fused} ({reason.strerror}); choose another place"
        ) from None
