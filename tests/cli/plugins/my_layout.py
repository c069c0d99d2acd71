"""A layout outside the package: the name of the source stands behind a dot, ``01.vi.png``."""

from pathlib import Path

from fusionlab.data.layouts import Sample
from fusionlab.registry import LAYOUTS


def find_dotted(
    root: Path,
    folders: dict[str, Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    """Files that differ in nothing but what stands behind the dot."""
    found: dict[str, dict[str, Path]] = {}
    for path in files:
        stem, _, source = path.stem.partition(".")
        found.setdefault(stem, {})[source] = path
    names = given or ("vi", "ir")
    return [Sample(stem, {name: found[stem][name] for name in names}) for stem in sorted(found)]


LAYOUTS["dotted"] = find_dotted
