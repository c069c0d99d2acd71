"""The examples of docs/extend.md are the plug-ins that the tests run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/extend.md").read_text("utf-8"), re.DOTALL)
PLUGINS = sorted((ROOT / "tests/cli/plugins").glob("my_*.py"))


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_every_plugin_stands_there(path):
    assert path.read_text("utf-8") in BLOCKS


def test_nothing_else_does():
    assert len(BLOCKS) == len(PLUGINS)
