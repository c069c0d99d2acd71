"""README.md and docs: their links lead somewhere, and their commands are what they say."""

import re
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from fusionlab.cli import COMMANDS, main, parser
from fusionlab.networks import create_network

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGES_ELSEWHERE = {
    "train.md": "tests/training/test_recipes.py",
    "tasks.md": "tests/tasks",
    "runs.md": "tests/test_machines.py",
}
RUN = [page for page in PAGES if page.name not in PAGES_ELSEWHERE]
ELSEWHERE = {  # the test that runs what needs published files, hours or several processes
    "train": "tests/training/test_recipes.py",
    "--plugin": "tests/cli/test_plugins.py",
    "--config": "tests/evaluation/test_experiments.py",
    "tables/vif": "tests/evaluation/test_weights.py",
    "verify": "tests/cli/test_data.py",
    "--data.name": "tests/data/test_downloads.py",
    "convert": "tests/networks/test_conversion.py",
    "export": "tests/test_exporting.py",
    "app": "tests/test_app.py",
}


def blocks(page: Path, language: str) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [text for name, text in fences if name == language]


def commands(page: Path) -> list[list[str]]:
    """The words behind ``fusionlab``, of every command of a page that can be typed."""
    lines = "\n".join(blocks(page, "")).replace("\\\n", " ").splitlines()
    typed = [line.strip().removeprefix("srun ") for line in lines]
    split = [shlex.split(line, comments=True) for line in typed if line.startswith("fusionlab ")]
    return [words[1:] for words in split if "…" not in "".join(words)]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)", page.read_text("utf-8"), flags=re.M)
    return {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


@pytest.fixture
def folder(tmp_path, monkeypatch, plugins_go):
    """The files that the pages speak of, small, in the working directory."""
    monkeypatch.chdir(tmp_path)
    visible, infrared = data.astronaut()[:64], data.camera()[:64]
    for k, name in enumerate(("01", "02")):
        pictures = {"pairs/vi": visible, "pairs/ir": infrared, "results/U2Fusion": infrared // 2}
        pictures |= {"results/SeAFusion": visible, "vi": visible, "ir": infrared}
        for place, image in pictures.items():
            Path(place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[:, 40 * k : 40 * k + 64]).save(f"{place}/{name}.png")
    for name, factor in {
        "vi": 1,
        "ir": 1,
        "a": 1,
        "b": 0.5,
        "under": 0.3,
        "middle": 0.6,
        "over": 1,
    }.items():
        image = infrared if name == "ir" else (visible * factor).astype(np.uint8)
        Image.fromarray(image[:, :64]).save(f"{name}.png")
    for name in ("DIR", "TNO"):
        Path(name).symlink_to("pairs")
    shutil.copytree("results/U2Fusion", "results/MyMethod")
    for path in (ROOT / "tests/cli/plugins").glob("my_*.py"):
        shutil.copy(path, tmp_path)
    return tmp_path


class Understood(Exception):
    """Raised in place of running a command."""


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_understood(page, folder, monkeypatch):
    whole = parser.understood

    def understood(*given):
        whole(*given)
        raise Understood

    names = ("parser", *COMMANDS)
    modules = [import_module(f"fusionlab.cli.{name}") for name in names]  # all before a change
    for module in modules:
        if hasattr(module, "understood"):
            monkeypatch.setattr(module, "understood", understood)
    for words in commands(page):
        try:
            main(words)
        except Understood:
            continue
        except SystemExit as ended:
            pytest.fail(f"fusionlab {shlex.join(words)} ends with {ended.code}")


def test_what_is_run_elsewhere_is_there():
    names = {*ELSEWHERE.values(), *PAGES_ELSEWHERE.values()}
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_command_and_example_runs(page, folder, monkeypatch):
    _make_videos(folder)
    _make_weights()
    for words in commands(page):
        if ELSEWHERE.keys() & set(words):
            continue
        extra = ["--wandb", "disabled"] if words[0] == "evaluate" else []
        if words[0] == "evaluate" and "--data.root" not in words:  # the built-in scenes are larger
            extra += ["--data.root", "pairs"]
        extra += ["--overwrite"] if words[0] == "fuse" else []
        main([*words, *extra])
        if words[0] == "fuse":
            assert (folder / words[words.index("-o") + 1]).exists()
    if page.name not in ("extend.md", "networks.md"):  # test_extend.py, ../test_hub.py
        fused, sources = 255 * torch.rand(1, 1, 64, 64), 255 * torch.rand(1, 2, 1, 64, 64)
        namespace = {"fused": fused, "sources": sources}
        for code in blocks(page, "python"):
            exec(compile(code, page.name, "exec"), namespace)
    assert "fusionlab" in sys.modules


def _make_weights() -> None:
    """Files under the names of published ones, which have their layout."""
    for name in ("IFCNN-MAX.pth", "IFCNN-MEAN.pth"):
        torch.save(create_network("ifcnn").state_dict(), name)
    torch.save(create_network("densefuse").state_dict(), "gray.model")


def _make_videos(folder: Path) -> None:
    av = pytest.importorskip("av")
    for name in ("vi", "ir"):
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=5)
            stream.width = stream.height = 64
            image = np.asarray(Image.open(folder / f"{name}.png").convert("RGB"))
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
