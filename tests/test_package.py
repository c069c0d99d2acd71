"""What an import costs, seen from a process that has imported nothing yet."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(code: str) -> str:
    """What a fresh Python prints, to either stream."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return process.stdout


def loaded(imports: str, *names: str) -> list[str]:
    """Which of these modules ``import imports`` brings in."""
    code = f"import sys, {imports}; print([name for name in {names} if name in sys.modules])"
    return eval(run(code))


def test_importing_the_package_prints_nothing():
    assert run("import fusionlab") == ""


def test_importing_the_package_imports_nothing_heavy():
    assert loaded("fusionlab", "torch", "lightning", "numpy", "fusionlab") == ["fusionlab"]


@pytest.mark.parametrize("part", ["networks", "ttd", "metrics"])
def test_a_part_alone_needs_neither_lightning_nor_wandb(part):
    heavy = ("lightning.pytorch", "pytorch_lightning", "wandb", f"fusionlab.{part}")
    assert loaded(f"fusionlab.{part}", *heavy) == [f"fusionlab.{part}"]
