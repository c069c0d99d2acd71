"""``fusionlab app``: what its button does, and the page in a real browser."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fusionlab
from fusionlab.app import fuse_files, usable_networks
from fusionlab.cli import main
from fusionlab.errors import InputError

ROOT = Path(fusionlab.__file__).parents[1]


@pytest.fixture
def pair(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("vi", "ir"):
        pixels = generator.integers(0, 256, (40, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return [tmp_path / "ir.png", tmp_path / "vi.png"]


def names_of(found):
    return [path.name for path in found]


def test_the_button_does_what_fuse_and_evaluate_do(pair, tmp_path):
    page = tmp_path / "page"
    found = fuse_files(pair, ["ifcnn", "average"], None, "paper", None, page)
    fused = ["IFCNN.png", "IFCNN+TTD.png", "Average.png", "Average+TTD.png"]
    maps = [
        f"RD-{name}-{method}+TTD.png" for method in ("IFCNN", "Average") for name in ("vi", "ir")
    ]
    assert names_of(found) == [*fused, *maps, "report.zip"]
    main(["fuse", *map(str, pair), "-o", str(tmp_path / "static.png")])
    main(["fuse", *map(str, pair), "-o", str(tmp_path / "ttd.png"), "--ttd", "paper"])
    for path, other in zip(found, ("static.png", "ttd.png"), strict=False):
        assert path.read_bytes() == (tmp_path / other).read_bytes()
    assert (page / "report" / "index.html").is_file()
    assert json.loads((page / "summary.json").read_text())["results"][0]["images"] == 1


def test_without_ttd_there_is_one_picture(pair, tmp_path):
    found = fuse_files(pair, ["average"], "vif", None, None, tmp_path / "page")
    assert names_of(found) == ["Average.png", "report.zip"]


def test_files_of_one_name_are_numbered_or_named(pair, tmp_path):
    for path in pair:
        (tmp_path / path.stem).mkdir()
        path.rename(tmp_path / path.stem / "01.png")
    same = [tmp_path / name / "01.png" for name in ("ir", "vi")]
    numbered = fuse_files(same, ["average"], "vif", "paper", None, tmp_path / "a")
    assert names_of(numbered)[2:4] == ["RD-1-Average+TTD.png", "RD-2-Average+TTD.png"]
    named = fuse_files(same, ["average"], None, "paper", None, tmp_path / "b", ["ir", "vi"])
    assert names_of(named)[2:4] == ["RD-ir-Average+TTD.png", "RD-vi-Average+TTD.png"]


def test_what_cannot_be_fused(pair, tmp_path):
    with pytest.raises(InputError, match="two or more"):
        fuse_files(pair[:1], ["ifcnn"], None, None, None, tmp_path)
    with pytest.raises(InputError, match="choose a network"):
        fuse_files(pair, [], None, None, None, tmp_path)
    with pytest.raises(InputError, match="no checkpoint of densefuse is bundled"):
        fuse_files(pair, ["densefuse"], None, None, None, tmp_path)


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
def test_in_a_browser(browser, address, pair):
    page = browser.new_page()
    page.goto(address)
    page.set_input_files("input[type=file]", [str(path) for path in pair])
    page.get_by_text(".png").nth(1).wait_for()
    page.get_by_role("button", name="Fuse", exact=True).click()
    report = page.frame_locator("iframe[title=Result]")
    report.locator("#viewer-title").wait_for(timeout=60_000)
    shown = report.locator("#strip figcaption").all_text_contents()
    laplacian = ["LaplacianPyramid", "LaplacianPyramid+TTD"]
    assert shown[:6] == ["vi", "ir", "IFCNN", "IFCNN+TTD", *laplacian]
    report.get_by_label("Lay over").check()
    assert report.locator("#stage .laid-over").is_visible()
    with page.expect_download() as download:
        page.locator("tr", has_text="IFCNN+TTD").first.locator("a").first.click()
    assert Image.open(download.value.path()).size == (48, 40)
