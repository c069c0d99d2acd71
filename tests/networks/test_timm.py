"""Any encoder of timm."""

import pytest
import timm
import torch
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.networks.timm import TimmFusion
from fusionlab.training.module import FusionModule
from tests.networks import contract

ENCODERS = ["test_efficientnet", "test_resnet", "test_convnext", "test_vit"]


def build(encoder: str = "test_efficientnet", **options) -> TimmFusion:
    torch.manual_seed(0)
    return create_network("timm", encoder=encoder, **{"width": 8, **options})


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("rule", ["max", "mean"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_kind_of_encoder_fuses_images_of_any_size(encoder, rule):
    network = build(encoder, rule=rule)
    sources = torch.rand(2, 3, 3, 37, 50)
    assert network(sources).shape == (2, 3, 37, 50)
    contract.assert_uniform_rd_is_static(network, sources, None)
    contract.assert_order_does_not_matter(network, sources)
    contract.assert_components_are_the_network_alone(network, sources)


@torch.no_grad()
def test_features_are_timm_s_of_normalised_images():
    network, sources = build(levels=3), torch.rand(1, 2, 3, 32, 64)
    backbone = timm.create_model("test_efficientnet", features_only=True, out_indices=(0, 1, 2))
    backbone.load_state_dict(network.encoder.state_dict())
    mean, deviation = (
        torch.tensor(x).view(3, 1, 1) for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    expected = backbone.eval()((sources[:, 1] - mean) / deviation)
    found = network.encode(sources)
    assert network.size_multiple == 8
    for own, other in zip(found, expected, strict=True):
        assert_close(own[:, 1], other)
    combined = network.combine(found)
    assert all(torch.equal(x, y.amax(1)) for x, y in zip(combined, found, strict=True))


@torch.no_grad()
def test_common_and_unique_features_of_two_sources_sum_to_the_largest():
    """So the decomposition is what the static rule fuses."""
    network, sources, seen = build(), torch.rand(1, 2, 3, 32, 32), []
    features = network.encode(sources)
    decode = network.decode
    network.decode = lambda combined, sources: seen.append(combined) or decode(combined, sources)
    common, unique = network.images(features, sources)
    assert common.shape == (1, 3, 32, 32)
    assert unique.shape == (1, 2, 3, 32, 32)
    own, least = seen
    for level, of_each, of_both in zip(network.combine(features), own, least, strict=True):
        assert_close(of_both + of_each[:1] + of_each[1:], level)


def test_it_learns_to_reconstruct_and_to_decompose():
    network = build("test_resnet").train()
    terms = create_objective("densefuse")(
        network, {"sources": torch.rand(2, 1, 3, 176, 176)}, Step()
    )
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in network.parameters())
    objective = create_objective("defusion")
    objective.check_network(network)
    batch = {
        "sources": torch.rand(2, 2, 3, 64, 64),
        "masks": (torch.rand(2, 2, 1, 64, 64) > 0.5).float(),
        "reference": torch.rand(2, 3, 64, 64),
    }
    assert sum(objective(network, batch, Step(index=30_000)).values()) > 0
    with pytest.raises(InputError, match="timm with these options does not"):
        objective.check_network(build(rule="mean"))


def test_the_encoder_starts_from_a_file_of_timm_s_and_a_checkpoint_needs_it_no_more(tmp_path):
    torch.manual_seed(1)
    whole = timm.create_model("test_efficientnet")
    torch.save(whole.state_dict(), tmp_path / "encoder.pth")
    network = build(pretrained=str(tmp_path / "encoder.pth"))
    expected = whole.state_dict()
    for key, tensor in network.encoder.state_dict().items():
        assert torch.equal(tensor, expected[key]), key
    save_checkpoint(network, tmp_path / "timm.safetensors")
    assert FusionModule(network).hparams["options"].get("pretrained") is None
    (tmp_path / "encoder.pth").unlink()
    again = create_network("timm", tmp_path / "timm.safetensors")
    assert again.options["pretrained"] is None
    sources = torch.rand(1, 2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(sources), network(sources))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "resnet999"}, r"timm: resnet999 cannot be an encoder.*Unknown model"),
        ({"encoder": 3}, "encoder must be the name of a model, got 3"),
        ({"levels": 0}, "levels must be a whole number of 1 or more, got 0"),
        ({"levels": 9}, "test_efficientnet cannot be an encoder with these options"),
        ({"rule": "sum"}, "rule must be one of max, mean, got 'sum'"),
        ({"width": 0}, "width must be a whole number of 1 or more, got 0"),
        ({"pretrained": "nowhere.pth"}, r"no file nowhere\.pth; set network\.options\.pretrained"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build(**options)


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "other.pth")
    with pytest.raises(InputError, match="test_efficientnet cannot be an encoder"):
        build(pretrained=str(tmp_path / "other.pth"))
