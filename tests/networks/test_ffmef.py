"""FFMEF against its authors' modules and picture."""

import pytest
import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.ffmef import FFMEF, Filters, from_studio, to_studio
from tests.networks import references

FILES = {
    "tno01": "vif.pth",
    "odd": "vif.pth",
    "mef_house": "mef.pth",
    "mff_lytro01": "mff.pth",
}


def published(shared, file: str) -> FFMEF:
    return create_network("ffmef", shared / "weights" / "ffmef" / file)


def with_scaled_inputs(network: FFMEF, sources: Tensor, rd: Tensor) -> Tensor:
    """The other reading of TTD: M·RD times the luma of the studio range, before all else."""
    return network(from_studio(2 * rd * to_studio(sources)))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", FILES)
def test_results_of_the_authors_modules(name, shared):
    network = published(shared, FILES[name])
    expected = references.read(shared / "reference" / "networks" / f"ffmef_{name}.npz")
    sources = expected["sources"]
    ours = references.computed(network, sources, "proportional")
    for key in references.PRESETS:
        ours[f"ttd_{key}_inputs"] = with_scaled_inputs(network, sources, expected[f"rd_{key}"])
    references.assert_equal(ours, expected, 1e-5)


@pytest.mark.slow
def test_the_authors_picture(shared):
    """They truncate to 8 bits."""
    folder = shared / "reference" / "ffmef_published"
    pair = {"under": folder / "AirBellowsGap_A.png", "over": folder / "AirBellowsGap_B.png"}
    picture = Fuser(published(shared, "mef.pth"), "mef")(pair)
    theirs = references.levels(folder / "AirBellowsGap_FFMEF.png")
    assert (picture.fused.int() - theirs).abs().max() <= 1


@pytest.mark.parametrize(
    ("file", "sha256"), [("mef", "b394fbac"), ("mff", "c8507300"), ("vif", "4a728499")]
)
def test_the_files_are_known_and_must_be_whole(file, sha256, shared, tmp_path, capsys):
    path = shared / "weights" / "ffmef" / f"{file}.pth"
    create_network("ffmef", path)
    assert file_sha256(path).startswith(sha256)
    assert capsys.readouterr().err == ""
    content = torch.load(path, weights_only=True, map_location="cpu")
    content["model"]["encode.skip7.alpha1"] = content["model"].pop("encode.skip6.alpha1")
    torch.save(content, tmp_path / "other.pth")
    text = r"missing: encoder\.skip6\.alpha1; surplus: encoder\.skip7\.alpha1"
    with pytest.raises(InputError, match=text):
        create_network("ffmef", tmp_path / "other.pth")


def test_its_size_is_the_authors():
    assert sum(p.numel() for p in FFMEF().parameters()) == 7_662


def test_the_studio_range_by_hand():
    assert to_studio(torch.tensor([0.0, 1.0])).mul(255).tolist() == pytest.approx([16, 235])
    assert from_studio(torch.tensor([16.0, 235.0]) / 255).tolist() == pytest.approx([0, 1])


@torch.no_grad()
def test_filters_are_correlations_with_zeros_around_the_image():
    """Taps row by row: the image at the left, and twice the image below, are added."""
    filters = Filters(3)
    last = filters.spatial_attention[4]
    last.weight.zero_()
    last.bias[:] = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 2, 0])
    image = torch.rand(1, 1, 4, 5)
    expected = torch.zeros(4, 5)
    expected[:, 1:] += image[0, 0, :, :-1]
    expected[:-1] += 2 * image[0, 0, 1:]
    torch.testing.assert_close(filters(image, torch.rand(1, 4, 4, 5))[0, 0], expected)


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network = lively("ffmef")
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(2):
        alone = network(sources[:, [m, m]])
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_pictures_do_not_depend_on_the_order_in_which_sources_are_named(lively):
    """The network wants infrared first; a sample may have either order."""
    fuser = Fuser(lively("ffmef"), "vif")
    vi, ir = torch.rand(2, 1, 9, 12)
    one, other = fuser({"vi": vi, "ir": ir}, "paper"), fuser({"ir": ir, "vi": vi}, "paper")
    assert torch.equal(one.fused, other.fused)
    assert torch.equal(one.rd, other.rd.flip(0))
    assert not torch.equal(one.rd, other.rd)
    direct = fuser.network(torch.stack([ir, vi])[None])
    torch.testing.assert_close(fuser({"vi": vi, "ir": ir}).output, direct[0], rtol=0, atol=1e-6)


def test_the_studio_range_ends_above_white(lively):
    """At 255 of 235: what a colour takes from a channel there is left in part."""
    fuser, chroma = Fuser(lively("ffmef"), "vif"), torch.tensor([0.1, -0.2]).view(1, 2, 1, 1)
    brightest, beyond, white = (
        fuser.viewable(torch.full((1, 1, 1, 1), value), chroma) for value in (239 / 219, 1.4, 1.0)
    )
    assert torch.equal(brightest, beyond)
    assert (brightest[0, 0].int() - white[0, 0].int()).item() == pytest.approx(
        255 * 20 / 219, abs=1
    )
