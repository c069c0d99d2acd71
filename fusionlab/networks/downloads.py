"""Checkpoints by address: downloaded once, checked, then taken from a cache."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fusionlab.errors import InputError
from fusionlab.networks.published import Published
from fusionlab.settings.addresses import without_credentials

HUGGING_FACE = "hf://"
LARGEST = 8 * 2**30  # bytes
LONGEST = 3600.0  # seconds of one download
SECONDS_OF_SILENCE = 30  # after which a server counts as gone
_BY_HAND = "or download the file by other means and give its path"


def is_address(checkpoint: str) -> bool:
    """Whether it is something to download: http://, https:// or hf://."""
    return checkpoint.startswith(("http://", "https://", HUGGING_FACE))


def hub_place(address: str) -> tuple[str, str | None, str]:
    """Repository, revision and file of ``hf://owner/name/file`` or ``…/name@revision/file``.

    Raises:
        InputError: If one of them is missing.
    """
    parts = address.removeprefix(HUGGING_FACE).split("/", 2)
    owner, name, file = parts if len(parts) == 3 else ("", "", "")
    name, at, revision = name.partition("@")
    if not (owner and name and file) or (at and not revision):
        raise InputError(
            f"{address} is no address; write hf://owner/name/file or hf://owner/name@revision/file"
        )
    return f"{owner}/{name}", revision or None, file


def web_address(address: str) -> str:
    """An address on the Hugging Face Hub as the https address of that file; others as they are.

    Raises:
        InputError: If it is no address, or owner, name or file are missing.
    """
    try:
        urlsplit(address)
    except ValueError as fault:
        raise InputError(f"{without_credentials(address)} is no address ({fault})") from None
    if not address.startswith(HUGGING_FACE):
        return address
    repository, revision, file = hub_place(address)
    return f"https://huggingface.co/{repository}/resolve/{revision or 'main'}/{file}"


def cache_folder() -> Path:
    """Where the package keeps what it downloads: $FUSIONLAB_CACHE, else ~/.cache/fusionlab."""
    folder = os.environ.get("FUSIONLAB_CACHE") or Path.home() / ".cache" / "fusionlab"
    return Path(folder).expanduser()


def cached_path(address: str) -> Path:
    """Where the file at an address is kept.

    Its name holds a hash of the address, for two sites may give one name to two files.
    """
    url = web_address(address)
    parts = urlsplit(url)
    name = re.sub(r"[^\w.-]", "_", unquote(parts.path.rpartition("/")[2]))[-100:]
    digest = hashlib.sha256(without_credentials(url).encode()).hexdigest()[:12]
    return cache_folder() / f"{parts.hostname or 'unknown'}-{digest}-{name}"


def download(address: str, published: Iterable[Published] = ()) -> Path:
    """The file at an address, downloaded unless it is in the cache, with progress on stderr.

    Args:
        address: ``http://``, ``https://``, ``hf://owner/name/file`` or
            ``hf://owner/name@revision/file``; those of the Hugging Face Hub are kept in its cache,
            and its settings hold: the token of ``hf auth login`` or ``HF_TOKEN``, ``HF_HOME``,
            ``HF_HUB_OFFLINE``.
        published: Files known by their hash. The one at exactly this address must have its hash,
            in the cache too; another address is not held to it, whatever the file is called.

    Returns:
        Its path in the cache.

    Raises:
        InputError: If the file cannot be had whole, or has another hash, or cannot be kept; then
            nothing of it is.
    """
    url = web_address(address)
    hashes = [entry.sha256 for entry in published if entry.url == url and entry.sha256]
    if address.startswith(HUGGING_FACE):
        return _from_hub(address, hashes)
    import pooch

    path = cached_path(address)
    if not path.exists():
        print(f"downloading {without_credentials(url)} to {path}", file=sys.stderr)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # it would advise how to call pooch
    try:
        pooch.retrieve(
            url,
            known_hash=hashes[0] if hashes else None,
            fname=path.name,
            path=path.parent,
            downloader=_fetch,
        )
    except InputError:
        raise
    except (OSError, ValueError) as fault:
        raise InputError(_in_one_line(fault, without_credentials(url), path)) from None
    finally:
        logger.setLevel(level)
    return path


def _from_hub(address: str, hashes: list[str]) -> Path:
    """The file of ``hf://…`` in the cache of huggingface_hub.

    Raises:
        InputError: If it cannot be had, is text, or has another hash than the one known of it.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repository, revision, file = hub_place(address)
    try:
        path = Path(hf_hub_download(repository, file, revision=revision))
    except (HfHubHTTPError, HFValidationError, OSError) as fault:
        reason = next(iter(str(fault).split("\n\n")[-1].split("\n")), "") or type(fault).__name__
        raise InputError(f"{address}: {' '.join(reason.split())} ({_BY_HAND})") from None
    _check_container(path, address)
    found = hashlib.sha256(path.read_bytes()).hexdigest() if hashes else ""
    if hashes and found != hashes[0]:
        raise InputError(f"{address} has the SHA-256 {found}, not {hashes[0]}; {_BY_HAND}")
    return path


def _fetch(url: str, target: str, pooch: Any) -> None:
    """Download to a file, with progress on stderr, within limits of size and time.

    Args:
        url: The address.
        target: A temporary file, which enters the cache only after this.
        pooch: Not used; pooch gives it to every downloader.

    Raises:
        InputError: If it is too large, takes too long, or is text.
    """
    import requests
    from tqdm import tqdm

    shown, start = without_credentials(url), time.monotonic()
    with requests.get(url, stream=True, timeout=SECONDS_OF_SILENCE) as answer:
        answer.raise_for_status()
        stated = answer.headers.get("content-length", "")
        total = int(stated) if stated.isdecimal() else 0
        _check_size(total, shown)
        with Path(target).open("wb") as file, tqdm(total=total, unit="B", unit_scale=True) as bar:
            for block in answer.iter_content(2**16):
                file.write(block)
                bar.update(len(block))
                _check_size(file.tell(), shown)
                if time.monotonic() - start > LONGEST:
                    limit = f"took more than {LONGEST // 60} minutes"
                    raise InputError(f"{shown} {limit}, nothing was kept; try again, {_BY_HAND}")
    _check_container(Path(target), shown)


def _check_size(size: int, shown: str) -> None:
    if size > LARGEST:
        raise InputError(
            f"{shown} is larger than {LARGEST // 2**30} GiB, nothing was kept; check the address, "
            f"{_BY_HAND}"
        )


def _check_container(path: Path, shown: str) -> None:
    """Refuse text, as a page that asks to log in, before it enters the cache."""
    with path.open("rb") as file:
        first = file.read(256)
    if first and all(byte in _OF_TEXT for byte in first):
        raise InputError(
            f"{shown} is no checkpoint but a text that begins with {first[:20]!r}, nothing was "
            f"kept; check the address, {_BY_HAND}"
        )


_OF_TEXT = frozenset({*b"\t\n\r", *range(32, 127)})


def _in_one_line(fault: Exception, url: str, path: Path) -> str:
    """What went wrong and what to do, for the exceptions of pooch and requests."""
    from requests.exceptions import ChunkedEncodingError, HTTPError, RequestException

    if isinstance(fault, HTTPError) and fault.response is not None:
        answer = f"{fault.response.status_code} {fault.response.reason}"
        return f"{url}: the server answers {answer}; check the address, {_BY_HAND}"
    if isinstance(fault, ChunkedEncodingError):
        return f"{url}: the transfer broke off, nothing was kept; try again, {_BY_HAND}"
    if isinstance(fault, RequestException):
        kind = type(fault).__name__
        return f"{url} cannot be reached ({kind}); check it and the connection, {_BY_HAND}"
    if isinstance(fault, OSError):
        reason = fault.strerror or fault
        return f"{url} cannot be kept at {path} ({reason}); set FUSIONLAB_CACHE to a folder"
    return f"{url}: {fault} Try again, {_BY_HAND}"  # another hash; the fault states both
