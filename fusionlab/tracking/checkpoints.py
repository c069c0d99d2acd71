"""Trained weights as Weights & Biases keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionlab.runs.files import link, plain
from fusionlab.tracking.logger import Tracker

if TYPE_CHECKING:
    from wandb import Run


def log_checkpoint(
    tracker: Tracker, path: Path, name: str, metadata: dict[str, Any], alias: str
) -> None:
    """Log a checkpoint as an artifact of type ``model``.

    Args:
        tracker: An open one.
        path: The file.
        name: Of the artifact, ``<network>-<data>``.
        metadata: What the weights score.
        alias: ``best`` or ``last``.
    """
    tracker.attempt(lambda run: _log_file(run, path, name, metadata, alias))


def _log_file(run: Run, path: Path, name: str, metadata: dict[str, Any], alias: str) -> None:
    import wandb

    artifact = wandb.Artifact(name, "model", metadata=plain(metadata))
    kept = Path(run.dir, path.name)
    link(path, kept)  # a resumed training writes the file anew before this is uploaded
    artifact.add_file(str(kept), policy="immutable", skip_cache=True)
    run.log_artifact(artifact, aliases=[alias])
