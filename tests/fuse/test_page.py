"""``fusionlab app``: what its button does, and the page in a real browser."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fusionlab
from fusionlab.cli import main
from fusionlab.errors import InputError
from fusionlab.fuse.page import fuse_files, usable_networks

ROOT = Path(fusionlab.__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture
def pair(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("vi", "ir"):
        pixels = generator.integers(0, 256, (40, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return [tmp_path / "ir.png", tmp_path / "vi.png"]


def test_the_button_does_what_fuse_does(pair, tmp_path):
    (tmp_path / "page").mkdir()
    found = fuse_files(pair, "ifcnn", None, "paper", None, tmp_path / "page")
    names = ["fused", "with TTD", "RD of vi", "RD of ir"]
    assert [name.partition(",")[0] for name in found] == names
    main(["fuse", *map(str, pair), "-o", str(tmp_path / "static.png")])
    main(["fuse", *map(str, pair), "-o", str(tmp_path / "ttd.png"), "--ttd", "paper"])
    for name, path in {"fused": "static.png", "with TTD": "ttd.png"}.items():
        assert found[name].read_bytes() == (tmp_path / path).read_bytes()


def test_without_ttd_there_is_one_picture(pair, tmp_path):
    assert list(fuse_files(pair, "average", "vif", None, None, tmp_path)) == ["fused"]


def test_files_of_one_name_are_numbered_or_named(pair, tmp_path):
    for path in pair:
        (tmp_path / path.stem).mkdir()
        path.rename(tmp_path / path.stem / "01.png")
    same = [tmp_path / name / "01.png" for name in ("ir", "vi")]
    numbered = fuse_files(same, "ifcnn", "vif", "paper", None, tmp_path)
    assert [name.partition(",")[0] for name in numbered][2:] == ["RD of 1", "RD of 2"]
    named = fuse_files(same, "ifcnn", None, "paper", None, tmp_path, ["ir", "vi"])
    assert [name.partition(",")[0] for name in named][2:] == ["RD of ir", "RD of vi"]


def test_what_cannot_be_fused(pair, tmp_path):
    with pytest.raises(InputError, match="two or more"):
        fuse_files(pair[:1], "ifcnn", None, None, None, tmp_path)
    with pytest.raises(InputError, match="no checkpoint of densefuse is bundled"):
        fuse_files(pair, "densefuse", None, None, None, tmp_path)


def test_networks_that_need_no_file():
    assert {"ifcnn", "weightnet", "average"} <= set(usable_networks())
    assert "densefuse" not in usable_networks()


@pytest.fixture
def address():
    """A server of the page, and its address."""
    pytest.importorskip("gradio", reason="the extra app is not installed")
    command = [sys.executable, "-u", "-m", "fusionlab", "app", "--no-browser"]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "GRADIO_ANALYTICS_ENABLED": "False"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_in_a_browser(address, pair):
    sync_api = pytest.importorskip("playwright.sync_api")
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium: none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.set_input_files("input[type=file]", [str(path) for path in pair])
        page.get_by_text("ir.png").first.wait_for()
        page.get_by_role("button", name="Fuse", exact=True).click()
        page.get_by_text("fused_ttd").first.wait_for(timeout=60_000)
        captions = page.locator(".caption-label").all_text_contents()
        assert [text.partition(",")[0].strip() for text in captions] == [
            "fused",
            "with TTD",
            "RD of vi",
            "RD of ir",
        ]
        browser.close()
