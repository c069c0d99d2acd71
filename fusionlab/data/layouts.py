"""Finding the samples in a folder, laid out as data sets of the field are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
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
    ("imagea", "imageb"): "mff",  # Real-MFF
    ("source_1", "source_2"): "mff",  # MFI-WHU
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
            known pairs, else takes all subfolders, or all suffixes of one letter.
        reference: Name of the subfolder or suffix with the ground truth; None finds usual names.

    Raises:
        InputError: If nothing is found, a partner or a named reference is missing, or two files
            share a name.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"no folder {root}; set data.root to an existing one")
    folders = sorted((f for f in root.iterdir() if f.is_dir() and f.name[0] != "."), key=_natural)
    files = list(_images(root))
    given = tuple(name.casefold() for name in sources) if sources else None
    if layout == "auto":
        layout = _guess(folders, files, given)
    find = {"subfolders": _subfolders, "scenes": _scenes, "suffixes": _suffixes}[layout]
    samples = find(root, folders, files, given, reference.casefold() if reference else None)
    if not samples:
        named = f" of sources {', '.join(sources)}" if sources else ""
        raise InputError(
            f"no samples{named} under {root} (looked for {layout}: {_LOOKS[layout]}); "
            "set data.root, data.layout or data.sources"
        )
    if reference and not any(sample.reference for sample in samples):
        raise InputError(f"no {reference} for the samples under {root}; set data.reference")
    for sample in samples:
        if len(sample.sources) == 1:
            (path,) = sample.sources.values()
            raise InputError(f"{path} has no partner; add it, or set data.layout or data.sources")
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


def _guess(folders: list[Path], files: list[Path], given: tuple[str, ...] | None) -> str:
    names = {folder.name.casefold() for folder in folders}
    if any(names.issuperset(known) for known in ([given] if given else KNOWN_SOURCES)):
        return "subfolders"
    if _with_suffix(files, given) or (files and not folders):
        return "suffixes"
    if any(_is_scene(folder, given) for folder in folders):
        return "scenes"
    if given is None:
        _refuse_half_a_pair(folders)
    stems = [{path.stem.casefold() for path in _images(folder)} for folder in folders]
    if len(set().union(*stems)) == sum(map(len, stems)):
        return "scenes"
    if all(name.isdigit() for name in names.union(*stems)):
        raise InputError(
            f"{folders[0].parent} could hold a folder per source or a folder per sample; "
            "set data.layout to subfolders or scenes"
        )
    return "subfolders"


def _refuse_half_a_pair(folders: list[Path]) -> None:
    """One source of a known pair alone is no folder of exposures."""
    names = {folder.name.casefold() for folder in folders}
    known = {name for pair in KNOWN_SOURCES for name in pair}
    for name in sorted(names & known):
        partners = sorted(
            {other for pair in KNOWN_SOURCES if name in pair for other in pair} - {name}
        )
        raise InputError(
            f"{folders[0].parent} has a folder {name} but no partner ({', '.join(partners)}); "
            "add it, or set data.sources"
        )


def _subfolders(
    root: Path,
    folders: list[Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    by_name = {folder.name.casefold(): folder for folder in folders}
    full = [name for name, folder in by_name.items() if any(_images(folder))]
    names = given or _known(by_name)
    truth = _truth(reference, names or (), full)
    names = names or tuple(name for name in full if name != truth)
    if reference and reference not in full:
        raise InputError(f"no {reference} among the folders in {root}; set data.reference")
    if not given and not _known(by_name) and len(names) > 2:
        raise InputError(
            f"{root} has the folders {', '.join(names)}; say with data.sources which are sources"
        )
    if truth in names:
        raise InputError(f"data.reference {truth} in {root} is also a source; set data.sources")
    for name in names:
        if name not in full:
            have = ", ".join(folder.name for folder in folders) or "none"
            raise InputError(
                f"no images in {root / name}; set data.sources (subfolders there: {have})"
            )
    needed = {name: _by_stem(by_name[name]) for name in (*names, *([truth] if truth else []))}
    stems = {stem: path.stem for name in names for stem, path in needed[name].items()}
    samples = []
    for stem in sorted(stems, key=_natural):
        for name, paths in needed.items():
            if stem not in paths:
                partner = next(found[stem] for found in needed.values() if stem in found)
                raise _no_partner(partner, by_name[name] / stems[stem])
        found = {by_name[name].name: needed[name][stem] for name in names}
        samples.append(Sample(stems[stem], found, needed[truth][stem] if truth else None))
    return samples


def _scenes(
    root: Path,
    folders: list[Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    samples = []
    for folder in (folder for folder in folders if folder.name.casefold() not in REFERENCES):
        images = list(_images(folder))
        if given or _with_suffix(images, None):
            found = _group_by_suffix(images, given, reference, alone=True)
            samples += [Sample(folder.name, one.sources, one.reference) for one in found]
            continue
        exposures = _by_stem(folder)
        truth = exposures.pop(_truth(reference, (), exposures), None)
        sources = {str(k): path for k, path in enumerate(exposures.values(), start=1)}
        if sources:
            samples.append(Sample(folder.name, sources, truth))
    return samples


def _suffixes(
    root: Path,
    folders: list[Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    return _group_by_suffix(files, given, reference)


def _group_by_suffix(
    files: list[Path], given: tuple[str, ...] | None, reference: str | None, alone: bool = False
) -> list[Sample]:
    """Samples of ``<id>-<source>`` files; ``alone``: they belong together whatever their id."""
    names = given or _names_among(files)
    truth = _truth(reference, names, _suffixes_of(files))
    groups: dict[str, dict[str, Path]] = {}
    for path in files:
        stem, name = (part.casefold() for part in _parts(path))
        if name and name in (*names, truth):
            group = groups.setdefault("" if alone else stem, {})
            if name in group:
                raise _same_name(group[name], path)
            group[name] = path
    samples = []
    for stem in sorted(groups, key=_natural):
        group = groups[stem]
        ground_truth = group.pop(truth, None)
        if not group:
            continue
        some = next(iter(group.values()))
        for name in names:
            if name not in group:
                raise _no_partner(some, some.parent / f"*{_title(name)}")
        found = {_title(name): group[name] for name in names}
        samples.append(Sample(_parts(some)[0], found, ground_truth))
    return samples


def _parts(path: Path) -> tuple[str, str]:
    """Id and suffix of a file; a name without suffix has an empty one."""
    match = _SUFFIX.match(path.stem)
    return (match["id"], match["source"]) if match else (path.stem, "")


def _suffixes_of(files: list[Path]) -> set[str]:
    return {_parts(path)[1].casefold() for path in files}


def _names_among(files: list[Path]) -> tuple[str, ...]:
    """Suffixes that are sources: known ones, else letters."""
    suffixes = _suffixes_of(files)
    return _known(suffixes) or tuple(sorted(name for name in suffixes if _is_letter(name)))


def _with_suffix(files: list[Path], given: tuple[str, ...] | None) -> list[Path]:
    """Files that end in the name of a source."""
    names = given or _names_among(files)
    return [path for path in files if _parts(path)[1].casefold() in names]


def _is_scene(folder: Path, given: tuple[str, ...] | None) -> bool:
    """Whether files differ in nothing but the name of their source."""
    files = _with_suffix(list(_images(folder)), given)
    return len(files) > 1 and len({_parts(path)[0].casefold() for path in files}) == 1


def _title(name: str) -> str:
    """One spelling of a suffix: MEFB has scenes with ``_a`` and ``_B``."""
    return name.upper() if _is_letter(name) else name


def _truth(reference: str | None, names: Iterable[str], have: Collection[str]) -> str:
    """Name of the ground truth, of those at hand; empty if there is none."""
    if reference:
        return reference if reference in have else ""
    # beside infrared and visible images, labels are classes (FMB)
    excluded = {*names, *(["label"] if task_of(names) == "vif" else [])}
    return next((name for name in REFERENCES if name in have and name not in excluded), "")


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
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text)]


def _no_partner(path: Path, where: Path) -> InputError:
    return InputError(
        f"{path} has no partner {where}; add it, move the file away or set data.layout"
    )


def _same_name(one: Path, other: Path) -> InputError:
    return InputError(f"{one} and {other} have the same name; keep one")
