"""How much memory is free, on a GPU or here."""

from __future__ import annotations

import resource
from pathlib import Path

import torch

UNKNOWN = 4 * 2**30  # bytes that are taken for free where the system does not tell
_CGROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int:
    """Bytes that may still be taken: of a GPU, or here within the limits of the process."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = [_available(), _left_of_group(), _left_of_process()]
    return max(0, min((one for one in found if one is not None), default=UNKNOWN))


def _available() -> int | None:
    return _field(Path("/proc/meminfo"), "MemAvailable:")


def _left_of_group() -> int | None:
    """What the container, or the batch system, leaves."""
    limit, used = (_number(_CGROUP / name) for name in ("memory.max", "memory.current"))
    return None if limit is None or used is None else limit - used


def _left_of_process() -> int | None:
    """What ``ulimit -v`` leaves."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    used = _field(Path("/proc/self/status"), "VmSize:")
    return None if limit == resource.RLIM_INFINITY or used is None else limit - used


def _field(path: Path, name: str) -> int | None:
    if not path.exists():
        return None
    lines = (line.split() for line in path.read_text().splitlines() if line.startswith(name))
    return next((int(words[1]) * 1024 for words in lines), None)


def _number(path: Path) -> int | None:
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text.isdecimal() else None
