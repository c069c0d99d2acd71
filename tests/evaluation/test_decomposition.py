"""Common and unique images on their way: picture, commands, report, panels, figure."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fusionlab.figures.program as figures
from fusionlab.cli import main
from fusionlab.data.colour import to_levels, to_luma
from fusionlab.errors import InputError
from fusionlab.figures.panels import panel
from fusionlab.figures.samples import Fusion, open_samples
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.networks.defusion import DeFusion
from fusionlab.runs.run import Run
from fusionlab.settings import TTD, Data
from fusionlab.tracking.image_table import image_table
from fusionlab.tracking.panels import sample_tiles


@pytest.fixture(scope="module")
def network() -> DeFusion:
    """A small one whose images are neither black nor flat."""
    torch.manual_seed(0)
    network = create_network("defusion", **DeFusion.small)
    with torch.no_grad():
        for conv in (network.fusion_rule[0], network.decoder_upper_projection_layer[0]):
            conv.weight.mul_(0.05)
            conv.bias.fill_(0.3)
    return network.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A visible picture with colours and an infrared one; the network wants that one first."""
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for source, shape in (("vi", (18, 21, 3)), ("ir", (18, 21))):
        (root / source).mkdir()
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(root / source / "1.png")
    return root


@pytest.fixture(scope="module")
def fusion(network, folder) -> Fusion:
    (dataset,) = open_samples(Data(root=str(folder)))
    return Fusion(Fuser(network, "vif"), dataset, TTD())


@pytest.fixture(scope="module")
def options(network, tmp_path_factory) -> list[str]:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(network, path)
    return ["--network.name", "defusion", "--network.checkpoint", str(path), "--quiet"]


def levels(path: Path) -> np.ndarray:
    """(3, H, W)."""
    return np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("ttd", [None, "paper"])
def test_a_picture_has_the_networks_images_by_source(ttd, network, fusion):
    """The data's order is kept, whatever the network's; luma is fused, so they are grey."""
    sample = fusion.dataset[0]
    assert sample["source_names"] == ("vi", "ir")
    picture = fusion.fuser(sample, ttd, decompose=True)
    luma = torch.stack([to_luma(x) for x in sample["sources"]]).expand(-1, 3, -1, -1)
    common, unique = network.decompose(luma.flip(0)[None])
    for found, image in (
        (picture.common, common[0]),
        (picture.unique[0], unique[0, 1]),
        (picture.unique[1], unique[0, 0]),
    ):
        expected = to_levels(to_luma(image.clamp(0, 1)))
        assert expected.float().std() > 1  # a swap would show
        assert torch.equal(found, expected.expand(3, -1, -1))
    plain = fusion.fuser(sample, ttd)
    assert torch.equal(plain.fused, picture.fused)
    assert (plain.common, plain.unique) == (None, None)


@pytest.mark.parametrize("grey", [False, True])
def test_where_rgb_is_fused_they_have_colours(grey, network):
    images = {name: torch.rand(1 if grey else 3, 18, 21) for name in ("over", "under")}
    picture = Fuser(network, "mef")(images, decompose=True)
    common, unique = network.decompose(
        torch.stack([*images.values()])[None].expand(-1, -1, 3, -1, -1)
    )
    for found, image in zip(
        (picture.common, *picture.unique), (common[0], *unique[0]), strict=True
    ):
        clamped = image.clamp(0, 1)
        expected = to_levels(to_luma(clamped) if grey else clamped)
        assert torch.equal(found, expected.expand(3, -1, -1))


def test_a_network_that_does_not_decompose_says_so():
    images = {"vi": torch.rand(1, 8, 9), "ir": torch.rand(1, 8, 9)}
    with pytest.raises(InputError, match="ifcnn makes no common and unique images; set"):
        Fuser(create_network("ifcnn"), "vif")(images, decompose=True)


def test_fuse_writes_them(fusion, folder, options, tmp_path, capsys):
    sources = [str(folder / name / "1.png") for name in ("vi", "ir")]
    argv = ["fuse", *sources, "-o", str(tmp_path / "out.png"), "--task", "vif"]
    main([*argv, "--decomposition-dir", str(tmp_path / "parts"), *options])
    picture = fusion.fuser(fusion.dataset[0], decompose=True)
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        *("out-common.png", "out-unique-ir.png", "out-unique-vi.png"),
    ]
    for name, image in zip(("common", "unique-vi", "unique-ir"), _images(picture), strict=True):
        assert np.array_equal(levels(tmp_path / "parts" / f"out-{name}.png"), image)
    with pytest.raises(SystemExit):
        main([*argv, "--overwrite", "--decomposition-dir", str(tmp_path / "other")])
    assert "ifcnn makes no common and unique images" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def _images(picture) -> list[np.ndarray]:
    return [picture.common.numpy(), *picture.unique.numpy()]


@pytest.fixture(scope="module")
def run(folder, options, tmp_path_factory) -> Run:
    """An evaluation with TTD, beside a network that does not decompose."""
    output = tmp_path_factory.mktemp("runs")
    argv = ["--data.root", str(folder), "--ttd", "--output", str(output), "--wandb", "disabled"]
    main(["evaluate", *argv, "--metrics.names", "[EN]", "--baselines", "true", *options])
    (found,) = output.iterdir()
    return Run.open(found)


@pytest.mark.slow
def test_an_evaluation_writes_and_reports_them(run, fusion):
    sample = run.samples[0]
    picture = fusion.fuser(fusion.dataset[0], decompose=True)
    paths = [sample.common("DeFusion"), *(sample.unique("DeFusion", name) for name in ("vi", "ir"))]
    for path, image in zip(paths, _images(picture), strict=True):
        assert np.array_equal(levels(run.folder / path), image)
    assert [path.name for path in (run.folder / "vif" / "decomposition").iterdir()] == ["DeFusion"]
    text = (run.folder / "report" / "data.js").read_text()
    page = json.loads(text[text.index("{") : text.rindex("}") + 1])
    place = [one["name"] for one in page["methods"]].index("DeFusion")
    found = page["samples"][0]["decomposition"]
    assert [entry[:2] for entry in found] == [[place, None], [place, "vi"], [place, "ir"]]
    for (_, _, address), image in zip(found, _images(picture), strict=True):
        assert np.array_equal(levels(run.folder / "report" / address), image)


def test_panels_have_them_behind_the_networks_picture(run):
    names = [name for name, _ in sample_tiles(run, run.samples[0])]
    first = names.index("DeFusion")
    assert names[first : first + 5] == [
        *("DeFusion", "common", "unique vi", "unique ir", "DeFusion+TTD"),
    ]
    assert names.count("common") == 1


def test_the_table_of_images_has_a_column_for_each(run):
    table = image_table(run, run.about["results"][0], run.samples)
    found = [name for name in table.columns if name.startswith(("common", "unique"))]
    assert found == ["common DeFusion", "unique vi DeFusion", "unique ir DeFusion"]


@pytest.mark.slow
def test_the_figure_has_a_row_of_them(fusion, folder, options, tmp_path, monkeypatch):
    titles = lambda figure: [text.get_text() for text in figure.texts]  # noqa: E731
    drawn = []
    monkeypatch.setattr(figures, "panel", lambda *given: drawn.append(panel(*given)) or drawn[0])
    main(["figures", "panel", "--data.root", str(folder), "-o", str(tmp_path / "f"), *options])
    row = ["common", "unique of vi", "unique of ir"]
    assert titles(drawn[0])[-3:] == row
    images = [axes.get_images()[0].get_array() for axes in drawn[0].axes[-3:]]
    for image, expected in zip(images, _images(fusion.sample(0).static), strict=True):
        assert np.array_equal(np.asarray(image).transpose(2, 0, 1), expected)
    assert all(0 <= axes.get_position().y0 <= 1 for axes in drawn[0].axes)
