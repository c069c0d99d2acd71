import math

import pytest
import torch

from fusionlab.metrics import visual_information
from fusionlab.metrics.shared import sharing
from fusionlab.metrics.visual_information import visual_information_fidelity
from fusionlab.metrics.visual_information_fusion import (
    VisualInformationFidelityForFusion,
    visual_information_fidelity_for_fusion,
)

# Overexposed: of the two sources' gains in white areas, rounding says which one is smaller. The
# values of other triples agree to 1e-8.
WHITE = {"v22": 1e-3, "v24": 1e-4}
SINGLE_PRECISION = 5e-2  # topanxal's; there every flat area is such an area


@pytest.fixture(scope="module")
def values(triples):
    score = visual_information_fidelity_for_fusion
    return {case.name: score(case.fused, case.sources).item() for case in triples}


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(5)
    fused = torch.randint(0, 256, (2, 1, 48, 45), generator=generator).float()
    noise = torch.randint(0, 256, (2, 2, 1, 48, 45), generator=generator)
    return fused, (fused.unsqueeze(1) + noise) / 2


@pytest.mark.slow
@pytest.mark.parametrize("name", VisualInformationFidelityForFusion.conventions)
def test_real_images_score_as_the_original(name, triples, values):
    assert not VisualInformationFidelityForFusion(name).options  # so that ``values`` are theirs
    for case in triples:
        expected = case.published["VIFF"]["mefb" if name == "paper" else name]
        relative = SINGLE_PRECISION if name == "topanxal" else WHITE.get(case.name, 1e-7)
        assert values[case.name] == pytest.approx(expected, rel=relative), case.name


def test_degenerate_images_score_as_the_original_or_are_refused(edge_cases):
    metric = VisualInformationFidelityForFusion()
    for case in edge_cases:
        if case.name == "tiny_8x8":
            with pytest.raises(ValueError, match="VIFF needs images of at least 41 x 41"):
                metric.score(case.fused, case.sources)
        else:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["VIFF"]["mefb"], rel=1e-8), case.name


def test_half_the_contrast_of_a_checkerboard():
    board = 128 + 100 * (1 - 2 * (torch.arange(41)[:, None] + torch.arange(41)).remainder(2.0))
    board = board.expand(1, 1, 41, 41)
    half = 128 + (board - 128) / 2
    # scale 1: variance 10 000, gain 1/2; scales 3 and 4 are flat and count 1
    noise = 0.005 * 255**2
    first = math.log(1 + 10_000 / 4 / noise) / math.log(1 + 10_000 / noise)
    value = visual_information_fidelity_for_fusion(half, board.unsqueeze(1))
    assert value.item() == pytest.approx((first + 0.15 + 1) / 2.15, rel=1e-5)


def test_the_source_that_is_kept_worse_counts(pair):
    fused, sources = pair
    both = torch.stack([fused, sources[:, 0]], dim=1)
    worse = visual_information_fidelity_for_fusion(fused, sources[:, :1])
    value = visual_information_fidelity_for_fusion(fused, both)
    # of a source with more contrast than the fused image everywhere
    louder = 128 + 2 * (fused - 128)
    both = torch.stack([louder, fused], dim=1)
    alone = visual_information_fidelity_for_fusion(fused, louder.unsqueeze(1))
    torch.testing.assert_close(visual_information_fidelity_for_fusion(fused, both), alone)
    assert (value < 1).all()
    assert (worse < 1).all()


def test_a_third_source_with_less_contrast_changes_nothing(pair):
    fused, sources = pair
    value = visual_information_fidelity_for_fusion(fused, sources)
    quieter = 128 + (fused - 128) / 64  # gain 64, the largest
    more = torch.cat([sources, quieter.unsqueeze(1)], dim=1)
    torch.testing.assert_close(visual_information_fidelity_for_fusion(fused, more), value)


def test_the_order_of_the_sources_does_not_matter_where_no_gain_is_zero(pair):
    fused, sources = pair
    value = visual_information_fidelity_for_fusion(fused, sources)
    swapped = visual_information_fidelity_for_fusion(fused, sources.flip(1))
    torch.testing.assert_close(swapped, value)


def test_batches_layouts_and_precisions_do_not_matter(pair):
    score, (fused, sources) = visual_information_fidelity_for_fusion, pair
    value = score(fused, sources)
    parts = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(torch.cat(parts), value, rtol=1e-12, atol=0)
    assert torch.equal(score(fused.mT.contiguous().mT, sources.double()), value)


def test_it_shares_its_maps_with_vif(pair, monkeypatch):
    fused, sources = pair
    alone = visual_information_fidelity_for_fusion(fused, sources)
    with sharing():
        visual_information_fidelity(fused, sources)
        monkeypatch.setattr(visual_information, "_regression", None)  # not called again
        assert torch.equal(visual_information_fidelity_for_fusion(fused, sources), alone)


def test_the_gradient_is_that_of_the_formula(pair):
    fused, sources = (images.double() for images in pair)
    fused.requires_grad_()
    direction = torch.randn(fused.shape, dtype=torch.float64, generator=torch.Generator())
    visual_information_fidelity_for_fusion(fused, sources).sum().backward()
    with torch.no_grad():
        step = 1e-5 * direction
        ahead = visual_information_fidelity_for_fusion(fused + step, sources).sum()
        back = visual_information_fidelity_for_fusion(fused - step, sources).sum()
    slope = ((ahead - back) / 2e-5).item()
    assert (fused.grad * direction).sum().item() == pytest.approx(slope, rel=1e-4)
