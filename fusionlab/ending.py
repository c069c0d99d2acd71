"""How a program ends when it cannot go on: in one line, with the exit code that shells expect."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED, TERMINATED, FAILED = 130, 143, 1  # 128 and the number of the signal
_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or ask for a larger quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or lower data.workers",
    errno.ENFILE: "close some files, or lower data.workers",
    errno.EROFS: "set output to a folder that can be written",
    errno.EACCES: "check the permissions, or choose another folder",
    errno.EPERM: "check the permissions, or choose another folder",
    errno.EIO: "check the disk or the network drive",
    errno.ESTALE: "check the network drive",
    errno.ENOMEM: "close other programs, or use smaller batches",
}
SHARED_MEMORY = "/dev/shm"  # where the processes that read images put them
LEAST_SHARED = 2**18  # bytes free, without which nothing can be read
_SHARED = (
    f"{SHARED_MEMORY} is too small: docker run --shm-size=2g, or set data.workers and "
    "training.workers to 0"
)
_FAILURES = {  # by what PyTorch says when it fails for a reason outside the program
    r"Too many open files": _REMEDIES[errno.EMFILE],
    r"shared memory|/torch_\S+|Bus error": _SHARED,
    r"No space left on device": _REMEDIES[errno.ENOSPC],
    r"DataLoader worker .* (?:killed|exited unexpectedly)": "a process that reads images was "
    "killed, perhaps for want of memory, or of room in /dev/shm (docker run --shm-size=2g): lower "
    "data.workers or training.workers, or set them to 0",
    r"DataLoader timed out": "the processes that read images hang: check the disk, or set "
    "data.workers and training.workers to 0",
    r"out of memory|can't allocate memory": "use smaller batches, or another device",
    r"InvalidCxxCompiler|InductorError|backend='inductor'": "torch.compile cannot work here: "
    "install a C++ compiler, or set training.compile to false",
    r"Connection (?:closed|reset|refused)|closed by (?:peer|remote)|NCCL|gloo": "another process "
    "of this run has ended; look at its messages",
}


class Terminated(BaseException):
    """SIGTERM: like KeyboardInterrupt, nothing but the end of a program catches it."""


class OutsideFailure(Exception):
    """The program cannot go on for a reason that is neither its input nor its own fault."""


@contextmanager
def signals_raise() -> Iterator[None]:
    """SIGTERM raises :class:`Terminated` within the block, in the main thread.

    Once it has come, further ones are ignored, also after the block: the program is ending.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def raise_terminated(number: int, frame: FrameType | None) -> NoReturn:
    """What SIGTERM does; a second one does nothing any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def outside_failure(fault: BaseException) -> str:
    """What happened and what to do, in a line, for a full disk and the like; else empty."""
    if isinstance(fault, OutsideFailure):
        return str(fault)
    if isinstance(fault, MemoryError):
        return "out of memory; use smaller batches, or close other programs"
    if isinstance(fault, OSError) and fault.errno in _REMEDIES:
        if fault.errno == errno.ENOSPC and _is_full(SHARED_MEMORY):
            return f"no room for shared memory is left ({fault.strerror}); {_SHARED}"
        where = f"cannot use {fault.filename}" if fault.filename else "cannot write"
        return f"{where} ({fault.strerror}); {_REMEDIES[fault.errno]}"
    if isinstance(fault, (RuntimeError, OSError)):
        text = " ".join(str(fault).split())
        for pattern, remedy in _FAILURES.items():
            if re.search(pattern, text):
                return f"{text[:160]}; {remedy}"
    hidden = fault.__context__  # PyTorch's writer says of a full disk that it is somewhere else
    return outside_failure(hidden) if isinstance(hidden, (OSError, RuntimeError)) else ""


def _is_full(folder: str) -> bool:
    """Whether the file system of a folder has no room to speak of."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < LEAST_SHARED


def fill_standard_files() -> None:
    """Open what the caller has closed of stdin, stdout and stderr, where other files would come."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def drop_output() -> None:
    """Let what is still to be printed vanish: nobody reads it, or it cannot be written."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def flush_output() -> None:
    """Write what is still to be printed now, when a failure can still be told."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def say(line: str) -> None:
    """Print a last line on stderr, if there is one."""
    with suppress(OSError, ValueError, AttributeError):
        print(line, file=sys.stderr, flush=True)
