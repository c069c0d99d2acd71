"""Addresses of files without what lets somebody in: user, password, tokens, signatures."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SECRET = re.compile(
    r"token|key|sig|auth|pass|pwd|secret|credential|session|expires|policy|x-amz-|x-goog-"
    r"|^(?:sv|sr|sp|se|st|sig|skoid|sktid|skt|ske|sks|skv)$",
    re.IGNORECASE,
)
_LONG = 40  # characters of letters and digits: a token, whatever it is called


def without_credentials(value: Any) -> Any:
    """Plain values in which every address is shown without its credentials."""
    if isinstance(value, str):
        return re.sub(r"https?://\S+", lambda found: _public(found[0]), value)
    if isinstance(value, dict):
        return {key: without_credentials(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(without_credentials(one) for one in value)
    return value


def _public(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:  # no address: nothing can be downloaded with it
        return address.partition("://")[0] + "://…"
    place = parts.netloc.rpartition("@")[2]
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True)]
    kept = [(name, value) for name, value in query if not _is_secret(name, value)]
    if place == parts.netloc and kept == query and not parts.fragment:
        return address
    return urlunsplit((parts.scheme, place, parts.path, urlencode(kept), ""))


def _is_secret(name: str, value: str) -> bool:
    return bool(_SECRET.search(name)) or bool(re.fullmatch(rf"[\w+/=.~-]{{{_LONG},}}", value))
