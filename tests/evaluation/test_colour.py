"""``--metrics.colour``: what is scored of coloured pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

import fusionlab
from fusionlab.errors import InputError
from fusionlab.metrics import open_metrics, per_channel
from fusionlab.metrics.per_channel import matlab_luma, side_by_side
from fusionlab.settings import Metrics


@pytest.fixture
def coloured(tmp_path):
    """Two coloured exposures of a scene and a fused picture of them."""
    generator = np.random.default_rng(0)
    for place in ("data/under", "data/over", "fused"):
        (tmp_path / place).mkdir(parents=True)
        pixels = generator.integers(0, 256, (48, 56, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / place / "01.png")
    return tmp_path


def rgb(path):
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float()[None]


def means(coloured, **options):
    found = fusionlab.score(coloured / "fused", coloured / "data", **options)
    return found, found["results"][0]["means"]["fused"]


def test_a_preset_of_toolboxes_scores_channel_by_channel(coloured):
    fused = rgb(coloured / "fused/01.png")
    sources = [rgb(coloured / f"data/{name}/01.png") for name in ("under", "over")]
    about, found = means(coloured, metrics="vifb")
    for metric in open_metrics("vifb"):
        expected = per_channel(metric, fused, torch.stack(sources, 1)).item()
        assert found[metric.name] == pytest.approx(expected, rel=1e-9), metric.name
    assert about["metrics_form"] == "vifb convention, mean over R, G and B"
    assert about["metrics"]["EN"]["convention"].endswith("; mean over R, G and B")


def test_a_network_and_a_source_alone_too(coloured):
    found = fusionlab.evaluate(["average"], coloured / "data", metrics="vifb")
    sources = torch.stack([rgb(coloured / f"data/{name}/01.png") for name in ("under", "over")], 1)
    (entropy,) = open_metrics(names=["EN:vifb"])
    alone = per_channel(entropy, sources[:, 0], sources).item()
    assert found["results"][0]["means"]["under alone"]["EN"] == pytest.approx(alone, rel=1e-9)


def test_colour_decides_otherwise(coloured):
    luma = means(coloured, metrics="vifb", colour="luma")[1]
    named = means(coloured, metrics=["EN:vifb"])[1]
    channels = means(coloured, metrics=["EN:vifb"], colour="channels")[1]
    assert luma["EN"] == named["EN"] != channels["EN"]
    with pytest.raises(InputError, match="colour must be luma or channels, got 'rgb'"):
        means(coloured, colour="rgb")


def test_presets_bring_their_own():
    assert [one for one in ("ttd", "vifb", "mefb", "all") if Metrics(one).by_channel] == [
        "vifb",
        "mefb",
    ]
    assert not Metrics("vifb", colour="luma").by_channel
    assert not Metrics("vifb", names=["EN"]).by_channel
    assert Metrics(colour="channels").by_channel


def test_side_by_side_and_luma_by_hand():
    image = torch.tensor([[[0.0, 10.0]], [[20.0, 30.0]], [[40.0, 255.0]]])
    assert side_by_side(image).tolist() == [[[0, 10, 20, 30, 40, 255]]]
    # 0.587 · 20 + 0.114 · 40 = 16.3; 0.299 · 10 + 0.587 · 30 + 0.114 · 255 = 49.7
    assert matlab_luma(image).tolist() == [[[16, 50]]]


def test_a_grey_file_is_scored_once_and_as_a_network_s_own_grey_picture(tmp_path):
    generator = np.random.default_rng(1)
    for name in ("vi", "ir"):
        (tmp_path / "data" / name).mkdir(parents=True)
        pixels = generator.integers(0, 256, (48, 56), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / name / "01.png")
    names = ["EN:vifb", "SF:vifb", "MI:vifb"]
    options = {"metrics": names, "colour": "channels"}
    found = fusionlab.evaluate(["average"], tmp_path / "data", output=tmp_path / "run", **options)
    own = found["results"][0]["means"]["Average"]
    folder = tmp_path / "run" / "vif" / "Average"
    saved = fusionlab.score(folder, tmp_path / "data", **options)["results"][0]["means"]["Average"]
    assert saved == own
    grey = fusionlab.score(folder, tmp_path / "data", metrics=names, colour="luma")
    assert saved == grey["results"][0]["means"]["Average"]  # no column meets another channel
    Image.open(folder / "01.png").convert("RGB").save(folder / "01.png")
    coloured = fusionlab.score(folder, tmp_path / "data", **options)["results"][0]["means"]
    assert coloured["Average"]["SF"] > own["SF"]  # in a file of RGB they do
