"""Checkpoints by address: downloaded once, checked, then taken from a cache."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fusionlab.errors import InputError
from fusionlab.networks.published import Published

HUGGING_FACE = "hf://"
_BY_HAND = "or download the file by other means and give its path"


def is_address(checkpoint: str) -> bool:
    """Whether it is something to download: http://, https:// or hf://."""
    return checkpoint.startswith(("http://", "https://", HUGGING_FACE))


def web_address(address: str) -> str:
    """``hf://owner/name/file`` as the https address of that file; others as they are.

    Raises:
        InputError: If it is no address, or owner, name or file are missing.
    """
    try:
        urlsplit(address)
    except ValueError as fault:
        raise InputError(f"{address} is no address ({fault})") from None
    if not address.startswith(HUGGING_FACE):
        return address
    parts = address.removeprefix(HUGGING_FACE).split("/", 2)
    if len(parts) < 3 or not all(parts):
        raise InputError(f"{address} is no address; write hf://owner/name/file")
    owner, name, file = parts
    return f"https://huggingface.co/{owner}/{name}/resolve/main/{file}"


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
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    return cache_folder() / f"{parts.hostname or 'unknown'}-{digest}-{name}"


def download(address: str, published: Iterable[Published] = ()) -> Path:
    """The file at an address, downloaded unless it is in the cache, with progress on stderr.

    Args:
        address: ``http://``, ``https://`` or ``hf://owner/name/file``.
        published: Files known by their hash. The one at exactly this address must have its hash,
            in the cache too; another address is not held to it, whatever the file is called.

    Returns:
        Its path in the cache.

    Raises:
        InputError: If the file cannot be had whole, or has another hash, or cannot be kept; then
            nothing of it is.
    """
    import pooch

    url, path = web_address(address), cached_path(address)
    hashes = [entry.sha256 for entry in published if entry.url == url and entry.sha256]
    if not path.exists():
        print(f"downloading {url} to {path}", file=sys.stderr)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # it would advise how to call pooch
    try:
        pooch.retrieve(
            url,
            known_hash=hashes[0] if hashes else None,
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(progressbar=True, chunk_size=2**16),
        )
    except (OSError, ValueError) as fault:
        raise InputError(_in_one_line(fault, url, path)) from None
    finally:
        logger.setLevel(level)
    return path


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
