"""Parts of a data set, as train and test, in subfolders of it or of each of its sources."""

from __future__ import annotations

from pathlib import Path

from fusionlab.data.files import images_in, natural
from fusionlab.errors import InputError

SPLITS = ("train", "val", "test")


def subfolders_of(folder: Path) -> dict[str, Path]:
    """Folders in a folder by name, in natural order; hidden ones are left out."""
    found = sorted((f for f in folder.iterdir() if f.is_dir() and f.name[0] != "."), key=natural)
    return {path.name: path for path in found}


def enter(root: Path, split: str | None) -> tuple[Path, dict[str, Path]]:
    """The folder of a split, and its subfolders by name.

    Convention: ``<root>/<split>/<source>`` (MSRS, FMB) goes before ``<root>/<source>/<split>``
    (LLVIP), where the folder is ``root`` itself and the subfolders lead to the split.

    Raises:
        InputError: If there is no such split, or none is named where all lies in splits.
    """
    folders = subfolders_of(root)
    if split is None:
        _refuse_all_splits(root, folders)
        return root, folders
    outer = find_folder(folders, split)
    if outer:
        return outer, subfolders_of(outer)
    inner = {title: find_folder(subfolders_of(path), split) for title, path in folders.items()}
    within = {title: path for title, path in inner.items() if path}
    if not within:
        have = ", ".join(splits_in(folders)) or "none"
        raise InputError(
            f"no folder {split} in {root} or in its subfolders; set data.split (found: {have})"
        )
    return root, within


def has_split(root: Path, split: str) -> bool:
    """Whether a folder, or one of its subfolders, has a subfolder of that name."""
    folders = subfolders_of(root)
    searched = [folders, *map(subfolders_of, folders.values())]
    return any(find_folder(found, split) for found in searched)


def splits_in(folders: dict[str, Path]) -> list[str]:
    """Usual names of splits among folders and their subfolders."""
    found = {name.casefold() for path in folders.values() for name in subfolders_of(path)}
    return [name for name in SPLITS if name in found or find_folder(folders, name)]


def find_folder(folders: dict[str, Path], name: str) -> Path | None:
    """A folder by its name, whatever its case."""
    titles = {title.casefold(): title for title in folders}
    return folders[titles[name.casefold()]] if name.casefold() in titles else None


def _refuse_all_splits(root: Path, folders: dict[str, Path]) -> None:
    if any(any(images_in(folder)) for folder in (root, *folders.values())):
        return
    splits = splits_in(folders)
    if splits:
        raise InputError(
            f"no samples in {root} itself, which is split into {', '.join(splits)}; "
            "set data.split, or data.root to one of them"
        )
