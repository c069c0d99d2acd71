"""CurveMEF against its authors' modules."""

import pytest
import torch

from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.evaluation.api import evaluate
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.curvemef import POLE, CurveMEF, fused_by_curves
from fusionlab.settings import Data
from tests.networks import references


@pytest.fixture(scope="module")
def published(shared) -> CurveMEF:
    return create_network("curvemef", shared / "weights" / "curvemef" / "CurveMEF_y.pth")


@torch.no_grad()
@pytest.mark.parametrize("name", ["hdrps_palette", "odd"])
def test_results_of_the_authors_modules(name, published, shared):
    expected = references.read(shared / "reference" / "networks" / f"curvemef_{name}.npz")
    sources = expected["sources"]
    ours = references.computed(published, sources, "proportional")
    ours["static_swapped"] = published(sources.flip(1))
    ours["maps"] = published.maps(sources.squeeze(2))
    static = ours["static"]
    ours["static_stretched"] = (static - static.min()) / (static.max() - static.min())
    references.assert_equal(ours, expected, 1e-5)


@pytest.mark.parametrize(("stretch", "key"), [(None, "static"), (True, "static_stretched")])
def test_the_over_exposed_source_is_the_first_and_a_stretch_is_an_option(
    stretch, key, published, shared
):
    """Its authors stretch luma of the studio range; ours is full."""
    expected = references.read(shared / "reference" / "networks" / "curvemef_odd.npz")
    over, under = expected["sources"][0]
    picture = Fuser(published, "mef", stretch=stretch)({"under": under, "over": over})
    torch.testing.assert_close(picture.output, expected["static"][0], rtol=0, atol=1e-5)
    difference = picture.fused[:1] / 255 - expected[key][0].clamp(0, 1)
    assert difference.abs().max() < 0.5 / 255 + 1e-5


@pytest.mark.slow
def test_psnr_of_real_exposures(published, shared):
    """23.28 dB with its authors' modules on grey levels; here colour is put back, and clipped."""
    (dataset,) = open_data(Data(root=str(shared / "data" / "mef" / "HDRPS")))
    summary = evaluate({"CurveMEF": published}, dataset, metrics=["PSNR"])
    assert summary["results"][0]["means"]["CurveMEF"]["PSNR_truth"] == pytest.approx(
        23.28, abs=0.02
    )


def test_the_file_is_known_and_nothing_but_what_is_unused_is_left_out(shared, tmp_path, capsys):
    path = shared / "weights" / "curvemef" / "CurveMEF_y.pth"
    create_network("curvemef", path)
    assert file_sha256(path).startswith("65e830b0")
    assert capsys.readouterr().err == ""
    content = torch.load(path, weights_only=True, map_location="cpu")
    state = content["state_dict"]
    state["conv_end.1.bias"] = state.pop("encoder.up_1.merge.1.bias")
    torch.save(content, tmp_path / "other.pth")
    text = r"missing: encoder\.up_1\.merge\.1\.bias; surplus: conv_end\.1\.bias"
    with pytest.raises(InputError, match=text):
        create_network("curvemef", tmp_path / "other.pth")


def test_its_size_is_the_authors():
    """4,778 with 20 that are never applied."""
    assert sum(p.numel() for p in CurveMEF().parameters()) == 4_778 - 20


def test_curves_by_hand():
    """Unbent and weighed 3 to 1; then bent as far as they go, each alone."""
    pixel = torch.tensor([0.8, 0.4]).view(1, 2, 1, 1)

    def fused(*maps: float) -> float:
        return fused_by_curves(pixel, torch.tensor(maps).view(1, 4, 1, 1)).item()

    assert fused(0, 0, 0.75, 0.25) == pytest.approx(0.7, abs=1e-5)
    assert fused(1, 0, 1, 0) == pytest.approx(0.8 - 0.64 / (POLE - 0.8), abs=1e-5)
    assert fused(0, 1, 0, 1) == pytest.approx(0.4 + 0.24 * (1 - 0.2 / POLE), abs=1e-5)
    assert fused(1, 1, 0, 0) == 0


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network = lively("curvemef")
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(2):
        alone = network(sources[:, [m, m]])
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-6)
