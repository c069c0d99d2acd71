import pytest
import torch
from torch.testing import assert_close

from fusionlab.ttd import (
    feature_gain,
    fusion_error,
    generalisation_bound,
    relative_dominability,
    truth_bound,
)


def maps(*sources):
    """(1, M, 1, 1, W) of M rows of pixels."""
    return torch.tensor(sources).view(1, len(sources), 1, 1, -1)


def test_two_sources_and_two_pixels_by_hand():
    bound = generalisation_bound(maps([0.25, 0.75], [0.75, 0.25]), maps([0.4, 0.2], [0.1, 0.5]))
    assert bound.rd.flatten().tolist() == pytest.approx([0.5, 0.5])
    assert bound.losses.flatten().tolist() == pytest.approx([0.3, 0.3])
    assert bound.covariances.flatten().tolist() == pytest.approx([-0.025, -0.05])
    assert bound.dynamic.item() == pytest.approx(0.225)
    assert bound.static.item() == pytest.approx(0.3)
    assert bound.dynamic_is_lower.item()
    assert bound.covariance_is_negative.item()


def test_the_dynamic_bound_is_the_mean_of_the_losses_weighted_by_rd():
    """Σ E[ω] E[ℓ] + Cov(ω, ℓ) = E[Σ ω ℓ]."""
    losses = torch.rand(2, 3, 1, 6, 7)
    rd = relative_dominability(losses, 5.0)
    bound = generalisation_bound(rd, losses)
    assert_close(bound.dynamic, (rd * losses).sum(1).mean((1, 2, 3)))
    pixels = torch.stack([rd[0, 1].flatten(), losses[0, 1].flatten()])
    assert_close(bound.covariances[0, 1], torch.cov(pixels, correction=0)[0, 1])


def test_uniform_rd_has_no_covariance_and_the_static_bound():
    losses = torch.rand(2, 4, 1, 6, 7)
    bound = generalisation_bound(torch.full_like(losses, 0.25), losses)
    assert torch.equal(bound.covariances, torch.zeros(2, 4))
    assert_close(bound.dynamic, bound.static)
    assert not bound.covariance_is_negative.any()


@pytest.mark.parametrize(("correlation", "is_lower"), [("negative", True), ("positive", False)])
def test_loss_based_rd_lowers_the_bound_and_its_opposite_raises_it(correlation, is_lower):
    """At every pixel the worse source weighs less, so Σ ω ℓ is at most the mean of ℓ."""
    losses = torch.rand(3, 3, 1, 6, 7)
    bound = generalisation_bound(
        relative_dominability(losses, 2.0, correlation=correlation), losses
    )
    assert bound.dynamic_is_lower.tolist() == [is_lower] * 3


@pytest.mark.parametrize("loss", ["l1", "mse"])
def test_with_a_truth_and_a_linear_decoder_the_bound_bounds(loss):
    components, truth = torch.rand(4, 3, 1, 8, 9), torch.rand(4, 1, 8, 9)
    rd = torch.rand(4, 3, 1, 8, 9).softmax(1)
    fused = (rd * components).sum(1)
    error = fusion_error(fused, truth, loss)
    assert (error <= truth_bound(rd, components, truth, loss).dynamic).all()
    assert error.shape == (4,)


def test_of_a_sum_rule_or_the_largest_gain_an_error_may_exceed_the_bound():
    """Components without any error bound it by 0; only what is fused with RD itself keeps to it."""
    components = truth = torch.full((1, 2, 1, 1, 1), 0.4)
    rd = torch.tensor([0.75, 0.25]).view(1, 2, 1, 1, 1)
    assert truth_bound(rd, components, truth[:, 0]).dynamic.item() == 0
    mean, largest = rd, feature_gain(rd, "largest") / 2
    for scales, error in ((mean, 0), (2 * rd, 0.4), (largest, 0.4 / 3)):
        fused = (scales * components).sum(1)
        assert fusion_error(fused, truth[:, 0]).item() == pytest.approx(error, abs=1e-7)


def test_the_error_by_hand():
    fused = torch.tensor([0.5, 0.9]).view(2, 1, 1, 1)
    truth = torch.tensor([0.4, 0.5]).view(2, 1, 1, 1)
    assert fusion_error(fused, truth).tolist() == pytest.approx([0.1, 0.4])
    assert fusion_error(fused, truth, "mse").tolist() == pytest.approx([0.01, 0.16])


def test_rd_that_is_nan_leaves_no_bound():
    rd = maps([0.5, torch.nan, 0.25], [0.5, 0.25, 0.75])
    bound = generalisation_bound(rd, torch.rand_like(rd))
    assert bound.dynamic.isnan()
    assert not bound.static.isnan()
    assert not bound.dynamic_is_lower


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"alike, got \(1, 2, 1, 1, 2\) and \(1, 1, 1, 1, 2\)"):
        generalisation_bound(maps([0.5, 0.5], [0.5, 0.5]), maps([0.1, 0.1]))
