"""Fixtures for all tests."""

import gc
import json
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate
from fusionlab import registry

AVX512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the collector need not see it again."""
    gc.collect()
    gc.freeze()


def bound(usual: float, elsewhere: float) -> float:
    """A bound on what rounding does, and the one of processors without AVX-512.

    Their kernels add in another order, and references in single precision were made with AVX-512.
    """
    return usual if AVX512 else elsewhere


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and images beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("no reference material: there is no folder shared/ beside the repository")
    return SHARED


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")  # its event loop is in the way of tests with one of their own
def browser() -> Iterator[Any]:
    """Headless Chromium, with no sandbox: tests often run as root in a container."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]
        running = driver.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()


def serious_faults(page: Any) -> list[str]:
    """What axe finds on a page that keeps people from using it: rule, number and first place."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [
        f"{one['id']}: {len(one['nodes'])}, first {one['nodes'][0]['target']}"
        for one in axe.run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.fixture(autouse=True)
def no_tracking(monkeypatch) -> None:
    """Only the tests of tracking track."""
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.fixture(autouse=True)
def signals_stay() -> Iterator[None]:
    """A program that was interrupted within a test ignores Ctrl-C from then on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests use tiny images: threads cost more than they give, most of all on a busy machine."""
    torch.set_num_threads(1)


REGISTRIES = ("NETWORKS", "OBJECTIVES", "METRICS", "LAYOUTS", "TTD_LOSSES")


@pytest.fixture
def plugins_go(monkeypatch) -> Iterator[None]:
    """What the plug-ins of the tests register, and the plug-ins themselves, go with the test."""
    names = [path.stem for path in Path(__file__).parent.glob("cli/plugins/my_*.py")]
    for name in REGISTRIES:
        one = getattr(registry, name)
        monkeypatch.setattr(one, "_members", dict(one._members))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in names:
        sys.modules.pop(name, None)


def write_pairs(root: Path, names=("01", "02"), sources=("vi", "ir"), size=(12, 16)) -> Path:
    """Random grey images below ``root/<source>/<name>.png``."""
    rng = np.random.default_rng(0)
    for source in sources:
        (root / source).mkdir(parents=True, exist_ok=True)
        for name in names:
            pixels = rng.integers(0, 256, size, dtype=np.uint8)
            Image.fromarray(pixels).save(root / source / f"{name}.png")
    return root


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Two infrared-visible pairs of 16x12 pixels."""
    return write_pairs(tmp_path / "pairs")


@pytest.fixture
def run_evaluate(tmp_path):
    """Run ``fusionlab evaluate``; returns its run folder and the summary that it wrote."""

    def run(*argv: object):
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        options = ["--output", str(output), "--trainer.accelerator", "cpu"]
        if not {"--config", "--baselines"} & set(argv):
            options += ["--baselines", "false"]  # quicker, and fewer rows to look at
        evaluate.main([*map(str, argv), *options])
        (folder,) = set(output.glob("*")) - before
        return folder, json.loads((folder / "summary.json").read_text())

    return run


@pytest.fixture
def refused(tmp_path, capsys):
    """Run a program that must refuse its input; returns the one line that it prints."""

    def run(program, *argv: object) -> str:
        output = tmp_path / "refused"
        options = ["--output", str(output), "--trainer.accelerator", "cpu"]
        with pytest.raises(SystemExit) as stop:
            program.main([*options, *map(str, argv)])
        printed = capsys.readouterr()
        assert stop.value.code == 2
        assert printed.out == ""
        assert not output.exists(), "something was written although the input was refused"
        *_, line = printed.err.splitlines()
        assert line.startswith("fusionlab ")
        assert " error: " in line
        assert "Traceback" not in printed.err
        return line

    return run
