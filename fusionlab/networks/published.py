"""Checkpoints that the authors of a network published, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Published:
    """A file that the authors of a network published.

    Args:
        file: Its name.
        options: The network's options that it was trained for.
        sha256: Of its bytes; None where nobody here has seen the file.
        url: Where its authors keep it; None where that is not known.
        tasks: What it was trained for, of the tasks of its network; empty for all of them.
    """

    file: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None
    url: str | None = None
    tasks: tuple[str, ...] = ()


def find_published(
    entries: tuple[Published, ...], sha256: str, address: str = ""
) -> Published | None:
    """The entry with this hash, else the one at this address if no hash is known of it."""
    for entry in entries:
        if entry.sha256 == sha256 or (entry.sha256 is None and entry.url == address):
            return entry
    return None


def unknown_hash_note(
    entries: tuple[Published, ...], network: str, address: str, sha256: str, options: dict[str, Any]
) -> str:
    """One line on a checkpoint in the authors' layout that no known hash vouches for.

    Args:
        entries: What the network's authors published, at least one file.
        network: Name of the network.
        address: Path or address of the checkpoint, as given.
        sha256: Its hash.
        options: Options of the network that it was loaded into.
    """
    unseen = [
        f"{entry.file}{_listed(entry.options, ' ({})')}" for entry in entries if not entry.sha256
    ]
    reason = f"not one of the files published for {network}"
    if unseen:
        reason = f"no hash is on record of {network}'s {', '.join(unseen)}"
    loaded = _listed(options, "; loaded with {}")
    return f"{address}: unknown SHA-256 {sha256[:8]}…; {reason}{loaded}"


def _listed(options: Mapping[str, Any], form: str) -> str:
    return form.format(", ".join(f"{k}={v}" for k, v in options.items())) if options else ""
