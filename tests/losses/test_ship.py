"""SHIP's objective against its authors' loss."""

import numpy as np
import pytest
import torch

from fusionlab.losses import Step, create_objective
from fusionlab.losses.ship import fusion_terms, visual_saliency
from fusionlab.networks.base import FusionNetwork
from tests.networks import references


def test_the_terms_of_the_authors_loss(shared):
    given = references.read(shared / "reference" / "networks" / "ship_losses.npz")
    sources = torch.stack([given["visible"], given["infrared"]], 1)
    terms = fusion_terms(given["fused"], sources, given["mask"])
    for name, theirs in (("saliency", "mask_l1"), ("intensity", "maximum"), ("gradient",) * 2):
        assert terms[name].item() == pytest.approx(given[theirs].item(), rel=1e-5)


class Overshooting(FusionNetwork):
    """Returns the visible image, moved out of the range."""

    def forward(self, sources, rd=None, task=None):
        return 3 * sources[:, 0] - 1


def test_the_fused_image_is_clamped_and_the_saliency_is_of_the_visible_image():
    sources = torch.rand(2, 2, 1, 16, 17)
    terms = create_objective("ship")(Overshooting(), {"sources": sources}, Step())
    fused = (3 * sources[:, 0] - 1).clamp(0, 1)
    expected = fusion_terms(fused, sources, visual_saliency(sources[:, 0]))
    assert {k: v.item() for k, v in terms.items()} == {k: v.item() for k, v in expected.items()}


def test_saliency_by_hand():
    """Levels 0, 0, 0, 100: the lone one differs by 300 from the others, each of them by 100."""
    image = torch.tensor([[[[0.0, 0.0], [0.0, 100 / 255]]]])
    assert visual_saliency(image).tolist() == [[[[0, 0], [0, 1]]]]
    assert not visual_saliency(torch.full((1, 1, 3, 3), 0.4)).any()


def test_saliency_against_all_pairs_of_pixels():
    images = torch.randint(0, 256, (2, 1, 5, 6)) / 255
    found = visual_saliency(images)
    for image, saliency in zip(images, found, strict=True):
        levels = (255 * image.numpy()).round().ravel()
        sums = abs(levels[:, None] - levels).sum(1)
        expected = (sums - sums.min()) / np.ptp(sums)
        assert saliency.numpy().ravel() == pytest.approx(expected, abs=1e-6)
