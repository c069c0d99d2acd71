"""An image below a network's least size ends in one line before anything is written."""

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.cli import main
from fusionlab.networks import create_network, save_checkpoint


@pytest.fixture
def argv(tmp_path):
    """A network that takes 2x2 pixels or more, and a pair of one row."""
    torch.manual_seed(0)
    save_checkpoint(create_network("cddfuse"), tmp_path / "cddfuse.safetensors")
    for source in ("vi", "ir"):
        (tmp_path / "row" / source).mkdir(parents=True)
        for name, height in (("1", 16), ("2", 1)):
            image = Image.fromarray(np.full((height, 16), 99, np.uint8))
            image.save(tmp_path / "row" / source / f"{name}.png")
    return [
        "--network.name",
        "cddfuse",
        "--network.checkpoint",
        str(tmp_path / "cddfuse.safetensors"),
    ]


@pytest.mark.parametrize("ttd", [[], ["--ttd"]])
@pytest.mark.parametrize("program", ["evaluate", "fuse", "figures"])
def test_an_image_below_the_least_size_is_one_line(program, ttd, argv, tmp_path, capsys):
    root, output = tmp_path / "row", ["--output", str(tmp_path / "out")]
    data = ["--data.root", str(root)]
    words = {
        "evaluate": ["evaluate", *data, "--metrics.names", "[EN]"],
        "fuse": ["fuse", str(root / "vi"), str(root / "ir")],
        "figures": ["figures", "rd", *data],
    }[program]
    with pytest.raises(SystemExit) as stop:
        main([*words, *argv, *ttd, *output])
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    line = printed.err.splitlines()[-1]
    assert "2 in " in line
    assert "is 16x1 pixels, cddfuse takes 2x2 or more" in line
    assert "Traceback" not in printed.err
    assert not (tmp_path / "out").exists()


def test_metrics_that_do_not_fit_into_memory_are_named_before_anything_runs(
    argv, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("fusionlab.evaluation.bench.free_memory", lambda _: 150 * 16 * 16)
    (tmp_path / "row" / "vi" / "2.png").unlink()
    (tmp_path / "row" / "ir" / "2.png").unlink()
    words = ["evaluate", "--data.root", str(tmp_path / "row"), "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--metrics.names", "[EN, SSIM, SF, QS]"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2
    assert "SSIM, Qs of 1 (16x16 pixels) in row need more than the 0.0 GB" in line
    assert "set metrics.names to others (EN, SF)" in line
    assert not (tmp_path / "out").exists()
