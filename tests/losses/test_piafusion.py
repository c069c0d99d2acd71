"""Against NumPy in double precision, from what the network returns; 1e-5 is float32's rounding."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy import ndimage

from fusionlab.errors import InputError
from fusionlab.losses.base import Step
from fusionlab.losses.piafusion import PIAFusionObjective, visible_weight
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.piafusion import IlluminationClassifier

TERMS = ["illumination", "intensity", "gradient"]


@pytest.fixture
def classifier_file(tmp_path):
    """Random weights, large enough that images differ in their scores, none of which is 0."""
    torch.manual_seed(0)
    classifier = IlluminationClassifier()
    with torch.no_grad():
        classifier.linear1.weight.normal_(0, 0.5)
        classifier.linear2.weight.normal_(0, 0.5)
        classifier.linear2.bias.fill_(1)
    torch.save(classifier.state_dict(), tmp_path / "classifier.pth")
    return str(tmp_path / "classifier.pth")


def smooth_batch(count=3, height=24, width=20):
    """Waves; the luma of the visible source is that of its colours."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / height
    a, b, phase = rng.uniform(2, 9, (3, count, 2, 3, 1, 1))
    brightness = rng.uniform(0.1, 1, (count, 2, 1, 1, 1))
    images = torch.tensor(brightness * (0.5 + 0.5 * np.sin(a * x + phase) * np.cos(b * y)))
    rgb = images.float()
    luma = (rgb * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(2, keepdim=True)
    return {"sources": luma, "rgb": rgb}


def network():
    torch.manual_seed(0)
    return create_network("piafusion").train()


def double(tensor):
    return tensor.detach().double().numpy()


def edges(x):
    axes = ((-1, -2), (-2, -1))
    along = [
        ndimage.correlate1d(
            ndimage.correlate1d(x, [1, 2, 1], b, mode="constant"), [-1, 0, 1], a, mode="constant"
        )
        for a, b in axes
    ]
    return abs(along[0]) + abs(along[1])


def expected_terms(fused, batch, scores):
    visible, infrared = double(batch["sources"]).transpose(1, 0, 2, 3, 4)
    w_vi = np.array([day / (day + night) for day, night in scores]).reshape(-1, 1, 1, 1)
    illumination = (w_vi * abs(fused - visible)).mean()
    illumination += ((1 - w_vi) * abs(fused - infrared)).mean()
    strongest = np.maximum(edges(infrared), edges(visible))
    return {
        "illumination": 3 * illumination,
        "intensity": 7 * abs(fused - np.maximum(visible, infrared)).mean(),
        "gradient": 50 * abs(edges(fused) - strongest).mean(),
    }


def test_the_terms(classifier_file):
    net, batch, objective = network(), smooth_batch(), PIAFusionObjective(classifier_file)
    terms = objective(net, batch, Step())
    scores = double(objective.classifier(batch["rgb"][:, 0]))
    assert scores.min() > 0
    assert np.ptp(scores[:, 0] / scores.sum(1)) > 0.01  # the images differ
    expected = expected_terms(double(net(batch["sources"])), batch, scores)
    assert list(terms) == TERMS
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5)


class Overshooting(FusionNetwork):
    """Returns the visible image, moved out of the range."""

    def forward(self, sources, weights=None):
        return 3 * sources[:, 0] - 1


def test_the_fused_image_is_clamped_first(classifier_file):
    batch, objective = smooth_batch(), PIAFusionObjective(classifier_file)
    terms = objective(Overshooting(), batch, Step())
    fused = np.clip(3 * double(batch["sources"][:, 0]) - 1, 0, 1)
    expected = expected_terms(fused, batch, double(objective.classifier(batch["rgb"][:, 0])))
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_the_weight_of_the_visible_source():
    scores = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 0.0], [0.0, 0.0]])
    assert visible_weight(scores).shape == (4, 1, 1, 1)
    assert visible_weight(scores).flatten().tolist() == [0.75, 0, 1, 0.5]


def test_scores_of_zero_weigh_both_sources_alike(classifier_file):
    net, batch, objective = network(), smooth_batch(), PIAFusionObjective(classifier_file)
    objective.classifier.linear2.weight.zero_()
    objective.classifier.linear2.bias.zero_()
    terms = objective(net, batch, Step())
    expected = expected_terms(double(net(batch["sources"])), batch, [(1, 1)] * 3)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_the_classifier_is_frozen(classifier_file):
    net, objective = network(), PIAFusionObjective(classifier_file)
    assert objective.train() is objective
    assert objective.training
    assert not any(module.training for module in objective.classifier.modules())
    sum(objective(net, smooth_batch(), Step()).values()).backward()
    assert all(p.grad is not None for p in net.parameters())
    assert all(p.grad is None and not p.requires_grad for p in objective.parameters())
    (group,) = objective.parameter_groups(net)
    assert len(group.parameters) == len(list(net.parameters()))


@pytest.mark.slow
def test_a_few_steps_lower_the_loss(classifier_file):
    net, batch, objective = network(), smooth_batch(count=1), PIAFusionObjective(classifier_file)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        losses.append(sum(objective(net, batch, Step()).values()))
        adam.zero_grad()
        losses[-1].backward()
        adam.step()
    assert losses[-1] < 0.9 * losses[0]


def test_safetensors_and_the_smallest_crop(classifier_file, tmp_path):
    save_file(torch.load(classifier_file, weights_only=True), tmp_path / "classifier.safetensors")
    theirs, ours = (
        PIAFusionObjective(str(file))
        for file in (classifier_file, tmp_path / "classifier.safetensors")
    )
    side = PIAFusionObjective.smallest_crop
    rgb = smooth_batch(height=side, width=side)["rgb"][:, 0]
    assert torch.equal(theirs.classifier(rgb), ours.classifier(rgb))
    with pytest.raises(ValueError, match="16"):
        ours.classifier(rgb[..., 1:])


@pytest.mark.slow
def test_the_authors_classifier_weighs_day_and_darkness(shared):
    objective = PIAFusionObjective(str(shared / "weights" / "piafusion" / "best_cls.pth"))
    levels = np.array(Image.open(shared / "data" / "vif" / "MSRS" / "vi" / "00537D.png"))
    day = torch.from_numpy(levels).permute(2, 0, 1) / 255
    scores = objective.classifier(torch.stack((day, torch.zeros_like(day))))
    assert visible_weight(scores).flatten().tolist() == [1, 0]
    net, batch = network(), smooth_batch()
    batch["rgb"][:, 0] = 0  # in darkness the image is as bright as the infrared one
    illumination = objective(net, batch, Step())["illumination"].item()
    difference = double(net(batch["sources"]) - batch["sources"][:, 1])
    assert illumination == pytest.approx(3 * abs(difference).mean(), rel=1e-5)


def test_without_a_classifier_the_remedy_is_told():
    with pytest.raises(InputError) as caught:
        PIAFusionObjective()
    assert "fusionlab train --config piafusion_illumination" in str(caught.value)
    assert "--training.options.classifier FILE" in str(caught.value)
    assert "best_cls.pth" in str(caught.value)


@pytest.mark.parametrize("classifier", ["nowhere.pth", 3, True])
def test_no_file(classifier):
    with pytest.raises(InputError, match=rf"training\.options\.classifier: .* {classifier};"):
        PIAFusionObjective(classifier)


def test_a_file_of_something_else(classifier_file, tmp_path):
    fusion = tmp_path / "fusion.safetensors"
    save_checkpoint(create_network("piafusion"), fusion)
    wide = torch.load(classifier_file, weights_only=True)
    wide["linear2.weight"] = torch.zeros(3, 128)
    torch.save(wide, tmp_path / "wide.pth")
    for file, key in ((fusion, "conv1.conv.1.bias"), (tmp_path / "wide.pth", "linear2.weight")):
        with pytest.raises(InputError, match=rf"{file.name} holds no .*\({key} is missing"):
            PIAFusionObjective(str(file))
