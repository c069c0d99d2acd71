"""Opening a run of Weights & Biases: online where there is an account, else on disk."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning.pytorch.utilities import rank_zero_only

from fusionlab.console import note
from fusionlab.tracking.identity import Identity
from fusionlab.tracking.logger import STEP, Tracker, failures, reason_line

if TYPE_CHECKING:
    from wandb import Run, Settings

Mode = Literal["online", "offline", "disabled"]
KNOWN_MODES = (None, "online", "offline", "run", "dryrun", "shared")  # of WANDB_MODE
PROJECT = "fusionlab"
VARIABLES = {  # of W&B, by the argument of wandb.init
    "name": "WANDB_NAME",
    "group": "WANDB_RUN_GROUP",
    "id": "WANDB_RUN_ID",
    "dir": "WANDB_DIR",
    "entity": "WANDB_ENTITY",
    "job_type": "WANDB_JOB_TYPE",
}
SECONDS_TO_CONNECT = 8
SECONDS_TO_UPLOAD = 300  # at the end; what is left then lies on disk
LONGEST_ID = 64  # characters; W&B takes 128, of artifacts together with the name of a table


def open_tracker(
    mode: str | None, folder: Path, job_type: str, identity: Identity
) -> Tracker | None:
    """Open the W&B run of a run folder, or go on with it if the folder has had one.

    Never asks for anything. Where there is no account or no server, a line says so and the run is
    logged offline.

    Args:
        mode: ``online``, ``offline`` or ``disabled``; None for what W&B's own settings and
            ``WANDB_MODE`` say, and without them online if an account is configured.
        folder: The run folder; ``wandb/`` in it holds what is logged.
        job_type: ``train`` or ``evaluate``.
        identity: Group, name, tags and config.

    Returns:
        None if disabled, if W&B cannot even log offline, and on all processes but the first.
    """
    mode = mode or os.environ.get("WANDB_MODE")
    if mode == "disabled" or getattr(rank_zero_only, "rank", False):
        return None
    if mode not in KNOWN_MODES:
        note(f"W&B: WANDB_MODE is {mode}, which W&B does not know; nothing is logged")
        return None
    place = {
        "dir": str(folder),
        "id": re.sub(r"[^\w-]", "-", folder.name)[-LONGEST_ID:],
        "resume": "allow",
        "job_type": job_type,
        "project": os.environ.get("WANDB_PROJECT", PROJECT),
    }
    try:
        settled = _settle(mode)
        if settled == "disabled":
            return None
        run = _start(settled, {**place, **identity._asdict(), **_of_environment(identity)})
    except failures() as reason:
        note(f"W&B: nothing is logged ({reason_line(reason)})")
        return None
    if job_type == "train":
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
    return Tracker(run, folder, _folder_of(folder))


def _of_environment(identity: Identity) -> dict[str, Any]:
    """What W&B's documented variables say of the run, which goes before what we would choose."""
    found: dict[str, Any] = {
        key: os.environ[name] for key, name in VARIABLES.items() if os.environ.get(name)
    }
    if tags := os.environ.get("WANDB_TAGS"):
        found["tags"] = (*identity.tags, *(tag.strip() for tag in tags.split(",") if tag.strip()))
    if "dir" in found:
        Path(found["dir"]).mkdir(parents=True, exist_ok=True)
    return found


def _folder_of(folder: Path) -> Path:
    """The folder in which ``wandb/`` lies."""
    return Path(os.environ.get("WANDB_DIR") or folder)


def _settle(mode: str | None) -> Mode:
    """What is to be done, with the account that there is."""
    import wandb

    wanted = mode or wandb.setup(wandb.Settings(silent=True)).settings.mode
    if wanted == "disabled":
        return "disabled"
    if wanted in ("offline", "dryrun"):
        return "offline"
    if _has_account():
        return "online"
    if mode is not None:  # W&B's own settings say online, too, where nothing is configured
        note("W&B: no account is configured (wandb login does that); logging offline")
    return "offline"


def _has_account() -> bool:
    """Whether W&B finds a key in its environment variable, its settings or ``.netrc``."""
    import wandb

    wandb.setup(wandb.Settings(silent=True, mode="online"))
    try:
        return wandb.login(prompt=False, verify=False)
    except wandb.Error as reason:  # a key that cannot be one
        note(f"W&B: {reason_line(reason)}")
        return False


def _start(mode: Mode, arguments: dict[str, Any]) -> Run:
    import wandb

    settings = _settings()
    try:
        return wandb.init(mode=mode, settings=settings, **arguments)
    except failures() as reason:
        if mode != "online":
            raise
        note(f"W&B: no connection ({reason_line(reason)}); logging offline")
    wandb.teardown()  # its service still holds the run's id
    return wandb.init(mode="offline", settings=settings, **arguments)


def _settings() -> Settings:
    """Silent, and without what it would find out about machine, code and console."""
    from wandb import Settings

    return Settings(
        silent=True,
        console="off",
        init_timeout=SECONDS_TO_CONNECT,
        finish_timeout=SECONDS_TO_UPLOAD,
        reinit="create_new",
        disable_git=True,
        disable_code=True,
        x_save_requirements=False,
        x_disable_stats=True,
        x_disable_machine_info=True,
    )
