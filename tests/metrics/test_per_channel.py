import json

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.metrics import open_metrics, per_channel
from fusionlab.metrics.per_channel import matlab_luma


def rgb(path):
    pixels = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).double()[None]


def compare(shared, wanted=None):
    """The one colour triple whose fused image is the mean of sources that are in ``shared``."""
    folder = shared / "data" / "mef" / "MEFB" / "Chair"
    stored = json.loads((shared / "reference" / "metrics" / "values.json").read_text())
    sources = torch.stack([rgb(folder / f"Chair_{name}.jpg") for name in "AB"], dim=1)
    fused = sources.mean(dim=1).round()
    compared = 0
    for name, values in stored["triples"]["v20"]["metrics_rgb"].items():
        for program, expected in values.items() if wanted is None or name in wanted else ():
            convention = program.partition(":")[0]
            (metric,) = open_metrics(names=[f"{name}:{convention}"])
            value = per_channel(metric, fused, sources).item()
            assert value == pytest.approx(expected, rel=1e-6), (name, program)
            compared += 1
    return compared


def test_colour_images_score_as_mefb_and_vifb_score_them_by_a_few_metrics(shared):
    assert compare(shared, {"EN", "AG", "SF", "SD", "PSNR", "MI", "MEF_SSIM"}) >= 10


@pytest.mark.slow
def test_colour_images_score_as_mefb_and_vifb_score_them(shared):
    assert compare(shared) > 25


def test_grey_in_three_channels_scores_as_grey(fused, sources):
    (metric,) = open_metrics(names=["AG:mefb"])
    value = per_channel(metric, fused.expand(-1, 3, -1, -1), sources.expand(-1, -1, 3, -1, -1))
    torch.testing.assert_close(value, metric.score(fused, sources))


def test_other_shapes_are_refused(fused, sources):
    (metric,) = open_metrics(names=["EN"])
    with pytest.raises(ValueError, match="fused and sources must be"):
        per_channel(metric, fused.expand(-1, 3, -1, -1), sources)


def test_a_grey_picture_of_coloured_sources_meets_their_luma(fused, sources):
    coloured = torch.cat([sources, sources.flip(-1), 255 - sources], dim=2)
    for name in ("MI:vifb", "SF:vifb", "CE:vifb"):
        (metric,) = open_metrics(names=[name])
        value = per_channel(metric, fused, coloured)
        assert torch.equal(value, metric.image_scores(fused, matlab_luma(coloured))), name
    (frequency,) = open_metrics(names=["SF:vifb"])
    threefold = per_channel(frequency, fused.expand(-1, 3, -1, -1), coloured)
    assert not torch.allclose(threefold, frequency.score(fused, sources)), "columns meet"
