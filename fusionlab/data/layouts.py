"""Finding the samples in a folder, laid out as data sets of the field are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fusionlab.data.images import is_image
from fusionlab.errors import InputError

KNOWN_SOURCES: dict[tuple[str, ...], str] = {  # in this order, case-folded, with their task
    ("crop_lr_visible", "cropinfrared"): "vif",  # RoadScene
    ("vi", "ir"): "vif",
    ("vis", "ir"): "vif",
    ("visible", "infrared"): "vif",
    ("rgb", "thermal"): "vif",
    ("mri", "ct"): "mif",
    ("mri", "pet"): "mif",
    ("mri", "spect"): "mif",
    ("under", "over"): "mef",
    ("ue", "oe"): "mef",
    ("near", "middle", "far"): "mff",
    ("near", "far"): "mff",
}
REFERENCES = ("gt", "reference", "ref", "ground_truth", "groundtruth", "full_clear", "label")
_SUFFIX = re.compile(r"^(?P<id>.+)[-_ ](?P<source>[^-_ ]+)$")


@dataclass(frozen=True)
class Sample:
    """The files of one sample; the order of ``sources`` is the order of the M sources."""

    id: str
    sources: dict[str, Path]
    reference: Path | None = None


@dataclass
class Listing:
    """What a folder holds: its samples, how they were found, and what was left aside."""

    root: Path
    layout: str
    samples: list[Sample]
    ignored: list[Path] = field(default_factory=list)

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the sources, those of the sample that has most."""
        return max((tuple(sample.sources) for sample in self.samples), key=len)


def find_samples(
    root: str | Path,
    layout: str = "auto",
    sources: Sequence[str] | None = None,
    reference: str | None = None,
) -> Listing:
    """Find the samples below a folder.

    Args:
        root: The folder.
        layout: ``subfolders`` (``vi/01.png ir/01.png``), ``scenes`` (``01/01_A.png 01/01_B.png``,
            or a folder of exposures without suffixes), ``suffixes`` (``01-A.png 01-B.png``) or
            ``auto``. Names are matched case-folded, whatever their extension.
        sources: Names of the subfolders or suffixes that are sources, in their order; None finds
            known pairs, else takes all.
        reference: Name of the subfolder or suffix with the ground truth; None finds usual names.

    Raises:
        InputError: If nothing is found, a partner is missing, or two files share a name.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"no folder {root}; set data.root to an existing one")
    folders = sorted((f for f in root.iterdir() if f.is_dir() and f.name[0] != "."), key=_natural)
    files = list(_images(root))
    if layout == "auto":
        layout = _guess(folders, files, sources)
    find = {"subfolders": _subfolders, "scenes": _scenes, "suffixes": _suffixes}[layout]
    given = tuple(name.casefold() for name in sources) if sources else None
    wanted = (reference.casefold(),) if reference else REFERENCES
    samples = find(root, folders, files, given, wanted)
    if not samples:
        raise InputError(
            f"no samples under {root} (looked for {layout}: {_LOOKS[layout]}); "
            "set data.root, data.layout or data.sources"
        )
    used = {path for sample in samples for path in (*sample.sources.values(), sample.reference)}
    ignored = [path for path in sorted(root.rglob("*")) if path.is_file() and path not in used]
    return Listing(root, layout, samples, ignored)


def task_of(source_names: Iterable[str]) -> str | None:
    """The task that names of sources tell, or None."""
    names = {name.casefold() for name in source_names}
    return next((task for known, task in KNOWN_SOURCES.items() if names == set(known)), None)


_LOOKS = {
    "subfolders": "vi/01.png with ir/01.png",
    "scenes": "01/01_A.png with 01/01_B.png",
    "suffixes": "01-A.png with 01-B.png",
}


def _guess(folders: list[Path], files: list[Path], sources: Sequence[str] | None) -> str:
    names = {folder.name.casefold() for folder in folders}
    wanted = [tuple(name.casefold() for name in sources)] if sources else list(KNOWN_SOURCES)
    if any(names.issuperset(known) for known in wanted):
        return "subfolders"
    if files:
        return "suffixes"
    seen: set[str] = set()
    for folder in folders:
        stems = {path.stem.casefold() for path in _images(folder)}
        if seen & stems:
            return "subfolders"
        seen |= stems
    return "scenes"


def _subfolders(
    root: Path,
    folders: list[Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    references: tuple[str, ...],
) -> list[Sample]:
    by_name = {folder.name.casefold(): _by_stem(folder) for folder in folders}
    reference = next((name for name in references if name in by_name), None)
    names = given or _known(by_name) or tuple(n for n in by_name if by_name[n] and n != reference)
    for name in names:
        if not by_name.get(name):
            have = ", ".join(folder.name for folder in folders) or "none"
            raise InputError(f"no images in {root / name}; subfolders there: {have}")
    titles = {folder.name.casefold(): folder.name for folder in folders}
    needed = {name: by_name[name] for name in (*names, *([reference] if reference else []))}
    stems = {stem: path.stem for name in names for stem, path in by_name[name].items()}
    samples = []
    for stem in sorted(stems, key=_natural):
        for name, paths in needed.items():
            if stem not in paths:
                partner = next(found[stem] for found in needed.values() if stem in found)
                raise _no_partner(partner, root / titles[name] / stems[stem])
        found = {titles[name]: by_name[name][stem] for name in names}
        samples.append(Sample(stems[stem], found, needed[reference][stem] if reference else None))
    return samples


def _scenes(
    root: Path,
    folders: list[Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    references: tuple[str, ...],
) -> list[Sample]:
    samples = []
    for folder in folders:
        images = list(_images(folder))
        if any(_has_suffix(path, given) for path in images):
            found = _group_by_suffix(images, given, references, alone=True)
            samples += [Sample(folder.name, one.sources, one.reference) for one in found]
        elif images:
            truth = next((path for path in images if path.stem.casefold() in references), None)
            exposures = [path for path in images if path != truth]
            sources = {str(k): path for k, path in enumerate(exposures, start=1)}
            samples.append(Sample(folder.name, sources, truth))
    return samples


def _suffixes(
    root: Path,
    folders: list[Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    references: tuple[str, ...],
) -> list[Sample]:
    return _group_by_suffix(files, given, references)


def _group_by_suffix(
    files: list[Path],
    given: tuple[str, ...] | None,
    references: tuple[str, ...],
    alone: bool = False,
) -> list[Sample]:
    """Samples of ``<id>-<source>`` files; ``alone``: they belong together whatever their id."""
    groups: dict[str, dict[str, Path]] = {}
    truths: dict[str, Path] = {}
    found = {_parts(path)[1].casefold() for path in files}
    names = given or _known(found) or tuple(sorted(n for n in found if _is_letter(n)))
    for path in files:
        stem, name = (part.casefold() for part in _parts(path))
        stem = "" if alone else stem
        if name in references:
            truths[stem] = path
        elif name in names:
            group = groups.setdefault(stem, {})
            if name in group:
                raise _same_name(group[name], path)
            group[name] = path
    samples = []
    for stem in sorted(groups, key=_natural):
        group = groups[stem]
        some = next(iter(group.values()))
        for name in names if len(names) > 1 else (*names, "b"):
            if name not in group:
                raise _no_partner(
                    some, some.parent / f"*{name.upper() if _is_letter(name) else name}"
                )
        titles = {_parts(group[name])[1]: group[name] for name in names}
        samples.append(Sample(_parts(some)[0], titles, truths.get(stem)))
    return samples


def _parts(path: Path) -> tuple[str, str]:
    """Id and suffix of a file; a name without suffix has an empty one."""
    match = _SUFFIX.match(path.stem)
    return (match["id"], match["source"]) if match else (path.stem, "")


def _has_suffix(path: Path, given: tuple[str, ...] | None) -> bool:
    name = _parts(path)[1].casefold()
    return name in given if given else _is_letter(name)


def _known(names: Iterable[str]) -> tuple[str, ...] | None:
    have = set(names)
    return next((known for known in KNOWN_SOURCES if have.issuperset(known)), None)


def _is_letter(name: str) -> bool:
    return len(name) == 1 and name.isalpha()


def _images(folder: Path) -> Iterator[Path]:
    yield from sorted((f for f in folder.iterdir() if f.is_file() and is_image(f)), key=_natural)


def _by_stem(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in _images(folder):
        stem = path.stem.casefold()
        if stem in paths:
            raise _same_name(paths[stem], path)
        paths[stem] = path
    return paths


def _natural(name: Path | str) -> list[tuple[int, int | str]]:
    """Sort key that puts 2 before 10."""
    text = str(name).casefold()
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", text)]


def _no_partner(path: Path, where: Path) -> InputError:
    return InputError(f"{path} has no partner {where}; add it, or move the file away")


def _same_name(one: Path, other: Path) -> InputError:
    return InputError(f"{one} and {other} have the same name; keep one")
