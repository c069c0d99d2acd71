"""What MkDocs lacks for these pages.

Files beside ``docs`` that pages link to go into the site, and Sphinx's roles in docstrings, as
:func:`on_files` here, become the names they stand for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)")
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>(?:~[\w.]*\.)?")


def on_files(files: Files, config: Any) -> Files:
    """Add every file beside ``docs`` that a page links to."""
    pages = [Path(one.abs_src_path) for one in files.documentation_pages() if one.abs_src_path]
    linked = {path for page in pages for path in OUTSIDE.findall(page.read_text("utf-8"))}
    for path in sorted(linked):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links beside ``docs`` lead to their copies in the site."""
    return OUTSIDE.sub(r"](\1", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Leave of a role its name, which is what Sphinx would show."""
    return ROLE.sub("<code>", html)
