"""Which validations leave pictures, and what is in them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from fusionlab.data.batches import collate
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.runs.rd_colours import RDScale
from fusionlab.settings import TTD
from fusionlab.training import samples
from fusionlab.training.module import FusionModule
from fusionlab.training.samples import SAMPLES, SampleWriter

from .conftest import Noise, quiet_trainer


@pytest.mark.parametrize(
    ("every", "between", "first", "expected"),
    [
        (1, 1, True, [0, 1, 2, 3, 4, 5]),
        (2, 1, True, [0, 2, 4]),
        (2, 3, True, [2]),
        (0, 1, True, []),
        (1, 1, False, []),
    ],
)
def test_pictures_come_with_every_nth_validation_of_the_first_process(
    every, between, first, expected, tmp_path, monkeypatch
):
    data = type("Data", (), {"ids": list("012345678"), "__len__": lambda self: 9})()
    monkeypatch.setattr(samples, "FusionModule", SimpleNamespace)
    monkeypatch.setattr(samples, "Scores", SimpleNamespace)
    monkeypatch.setattr(SampleWriter, "_tiles", lambda self, *_: [])
    monkeypatch.setattr(samples, "write_panel", lambda path, *_: written.append(path))
    written: list = []
    module = SimpleNamespace(scores=[SimpleNamespace(ttd={})])
    for epoch in range(between - 1, 6, between):
        trainer = SimpleNamespace(
            current_epoch=epoch,
            check_val_every_n_epoch=between,
            is_global_zero=first,
            default_root_dir=str(tmp_path),
            loggers=[],
            precision_plugin=SimpleNamespace(forward_context=torch.no_grad),
        )
        SampleWriter(data, every).on_validation_end(trainer, module)
    folder = tmp_path / "samples"
    assert written == [folder / f"epoch-{n}" / f"{k}.png" for n in expected for k in range(SAMPLES)]


def test_a_panel_has_the_pictures_of_a_fuser(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network, data = create_network("ifcnn"), Noise(count=1)
    panels: list = []
    monkeypatch.setattr(samples, "write_panel", lambda path, tiles, bar: panels.append(tiles))
    trainer = quiet_trainer(callbacks=[SampleWriter(data, 1)], default_root_dir=tmp_path)
    loader = DataLoader(data, collate_fn=collate)
    trainer.validate(FusionModule(network, ttd="structure"), loader, verbose=False)
    (tiles,) = panels
    fuser = Fuser(network, "vif")
    ttd = fuser.calibrate(data, TTD("structure"))
    scale = RDScale.of(2, fuser(data[0], ttd).rd)
    maps = [f"RD {name}, {scale}" for name in ("vi", "ir")]
    names = ["vi", "ir", "IFCNN", "IFCNN+TTD", *maps, "vi alone", "ir alone"]
    assert [name for name, _ in tiles] == names
    for (_, tile), settings in zip(tiles[2:4], (None, ttd), strict=True):
        assert np.array_equal(np.array(tile), np.array(fuser(data[0], settings).image))
    assert isinstance(tiles[-1][1], Image.Image)
