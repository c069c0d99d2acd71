"""GIFNet against its authors' modules and picture."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.gifnet import WINDOW, GIFNet, _image, _windows
from tests.networks import references

FILE = "gifnet/Final.model"


@pytest.fixture(scope="module")
def published(shared) -> GIFNet:
    return create_network("gifnet", shared / "weights" / FILE)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "lytro01", "hdrps_palette"])
def test_results_of_the_authors_modules(name, published, shared):
    expected = references.read(shared / "reference" / "networks" / f"gifnet_{name}.npz")
    expected = {key: x for key, x in expected.items() if not key.endswith("_u8")}
    sources = expected["sources"]
    ours = references.computed(published, sources, "proportional")
    ours["static_swapped"] = published(sources.flip(1))
    features = published.getSharedFeatures(sources.squeeze(2))
    ours["static_tag1"] = published.fused_for("ivif", features, features)
    ours["reconstruction"] = published.reconstructed(features)
    references.assert_equal(ours, expected, 1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_the_branches_of_training_see_a_pair_each(published, shared):
    """Two crops; the branch of a task sees the pair of that task."""
    expected = references.read(shared / "reference" / "networks" / "gifnet_losses.npz")

    def features(*names: str):
        return published.getSharedFeatures(torch.cat([expected[name] for name in names], 1))

    ivif, mfif = features("ir", "vi"), features("near", "far")
    ours = {
        "out_ivif": published.fused_for("ivif", ivif, mfif),
        "out_mfif": published.fused_for("mfif", mfif, ivif),
        "rec_ivif": published.reconstructed(ivif),
        "rec_mfif": published.reconstructed(mfif),
    }
    references.assert_equal(ours, {key: expected[key] for key in ours}, 1e-5)


@pytest.mark.slow
def test_the_authors_picture(published, shared):
    """They truncate to 8 bits and save JPEG, whose versions differ: 90 % of pixels are equal."""
    folder = shared / "reference" / "gifnet_published"
    pair = {"vi": luma(folder / "ivif_vis.jpg"), "ir": luma(folder / "ivif_ir.jpg")}
    fused = (Fuser(published, "vif", tile=0)(pair).output[0] * 255).floor().to(torch.uint8)
    file = BytesIO()
    Image.fromarray(fused.numpy()).save(file, "JPEG", quality=95)
    difference = luma(file) - luma(folder / "ivif_fused.jpg")
    assert difference.square().mean() < 10**-5.5  # 55 dB
    assert (difference == 0).float().mean() > 0.89


def luma(file) -> torch.Tensor:
    """The luma that a JPEG holds, (1, H, W) in [0, 1]."""
    with Image.open(file) as image:
        image.draft("L", None)
        return torch.from_numpy(np.array(image))[None] / 255


@pytest.mark.parametrize(
    ("task", "names"),
    [("vif", ["vis", "ir"]), ("mff", ["far", "near"]), ("mef", ["under", "over"])]
    + [("mif", ["MRI", name]) for name in ("PET", "SPECT", "CT")],
)
def test_its_first_source_is_the_authors(task, names, lively):
    network, images = lively("gifnet"), torch.rand(2, 1, 8, 9)
    first, second = images
    picture = Fuser(network, task)(dict(zip(names, (second, first), strict=True)))
    with torch.no_grad():
        torch.testing.assert_close(picture.output, network(images[None])[0], rtol=0, atol=1e-6)


def test_the_file_is_known_and_must_be_whole(shared, tmp_path, capsys):
    path = shared / "weights" / FILE
    create_network("gifnet", path)
    assert file_sha256(path).startswith("bfc1dfef")
    assert capsys.readouterr().err == ""
    state = torch.load(path, weights_only=True, map_location="cpu")
    state["decoder_rec.decoder.11.bias"] = state.pop("decoder_rec.decoder.10.bias")
    torch.save(state, tmp_path / "other.model")
    text = r"missing: decoder_rec\.decoder\.10\.bias; surplus: decoder_rec\.decoder\.11\.bias"
    with pytest.raises(InputError, match=text):
        create_network("gifnet", tmp_path / "other.model")


def test_its_size_is_the_authors():
    network = GIFNet()
    assert sum(p.numel() for p in network.parameters()) == 822_780
    assert sum(x.numel() for x in network.state_dict().values()) == 839_164


@torch.no_grad()
@pytest.mark.parametrize("component", ["network", "reconstruction"])
def test_a_component_is_made_of_its_source_on_both_inputs(component, lively):
    network = lively("gifnet", component=component)
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(2):
        pair = sources[:, [m, m]]
        shared = network.getSharedFeatures(pair.squeeze(2))
        alone = network(pair) if component == "network" else network.reconstructed(shared)
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-6)


@pytest.mark.slow
@torch.no_grad()
def test_reconstruction_is_closer_to_a_source_than_the_network(published, shared):
    """0.003 to 0.024 on average against 0.01 to 0.11."""
    file = shared / "reference" / "networks" / "gifnet_tno01.npz"
    sources, error = references.read(file)["sources"], {}
    for component in ("network", "reconstruction"):
        network = create_network("gifnet", shared / "weights" / FILE, component=component)
        found = network.components(network.encode(sources), sources)
        error[component] = (found - sources).abs().mean()
    assert error["reconstruction"] < 0.024 < error["network"]


def test_an_unknown_component_is_refused():
    with pytest.raises(InputError, match=r"component must be one of network, recon.*, got 'joint'"):
        create_network("gifnet", component="joint")


def test_windows_are_squares_of_an_image_and_make_it_again():
    x = torch.rand(2, 98, 16, 24)
    windows = _windows(x)
    assert windows.shape == (2 * 6, 2, 64, 49)
    square = x[1, 49:, 8:16, 16:24]  # of the second head, row 1, column 2 of the second image
    assert torch.equal(windows[6 + 5, 1], square.flatten(1).T)
    assert torch.equal(_image(windows, (16, 24)), x)


@torch.no_grad()
def test_attention_without_a_bias_by_hand(lively):
    attention = lively("gifnet").extractor_multask["SwinTransformerSpecific"].layer1.blocks[0].attn
    for parameter in attention.attn.meta.parameters():
        parameter.zero_()
    query, key, value = torch.rand(3, 5, 2, WINDOW**2, 49)
    expected = (query @ key.mT / 7).softmax(-1) @ value
    found = attention.attn(query, key, value)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_result_depends_on_the_whole_image(lively):
    """Its norm is over the image: a change in a corner reaches the other."""
    network, sources = lively("gifnet"), torch.rand(1, 2, 1, 40, 40)
    changed = sources.clone()
    changed[..., :4, :4] = 1 - changed[..., :4, :4]
    assert (network(changed) - network(sources))[..., -4:, -4:].abs().max() > 1e-6
