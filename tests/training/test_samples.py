"""Which validations leave pictures."""

from types import SimpleNamespace

import pytest

from fusionlab.training import samples
from fusionlab.training.samples import SAMPLES, SampleWriter


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
    monkeypatch.setattr(SampleWriter, "_tiles", lambda self, *_: [])
    monkeypatch.setattr(samples, "write_panel", lambda path, *_: written.append(path))
    written: list = []
    for epoch in range(between - 1, 6, between):
        trainer = SimpleNamespace(
            current_epoch=epoch,
            check_val_every_n_epoch=between,
            is_global_zero=first,
            default_root_dir=str(tmp_path),
            loggers=[],
        )
        SampleWriter(data, every).on_validation_end(trainer, SimpleNamespace(dynamic_options={}))
    folder = tmp_path / "samples"
    assert written == [folder / f"epoch-{n}" / f"{k}.png" for n in expected for k in range(SAMPLES)]
