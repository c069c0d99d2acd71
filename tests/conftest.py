"""Fixtures for all tests."""

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and images beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no reference material: there is no folder shared/ beside the repository")
    return folder


@pytest.fixture(autouse=True)
def no_tracking(monkeypatch) -> None:
    """Only the tests of tracking track."""
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests use tiny images: threads cost more than they give, most of all on a busy machine."""
    torch.set_num_threads(1)
