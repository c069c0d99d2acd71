"""Which metrics can serve as losses: those whose gradient is that of their formula."""

import pytest
import torch
from torch.nn.functional import interpolate

from fusionlab.metrics import METRICS
from fusionlab.metrics.reference import TruthAffinePSNR, TruthPSNR, TruthSSIM

CLASSES = [*METRICS.values(), TruthPSNR, TruthAffinePSNR, TruthSSIM]
FORMS = [
    pytest.param(metric, form, id=f"{metric.name}:{form}")
    for metric in CLASSES
    if metric.is_differentiable
    for form in ("paper", "ttd")
    if form in metric.conventions
]
LEAST_SIDE = 8
MANY = 16  # pixels of a side, above which the gradient is tested along a few directions only
STEP = 1e-4  # grey levels; far from where two of these images' values change places
LISTED = "ag ei sf ssim ms_ssim scd cc vif qabf"  # as losses


def images(metric):
    """Smooth images with noise and no two equal values, as small as the metric takes them."""
    side, count = max(metric.minimum_size, LEAST_SIDE), metric.source_count or 2
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand(count + 1, 1, 4, 4, generator=generator, dtype=torch.float64)
    fine = interpolate(coarse, (side, side + 1), mode="bicubic").clamp(0, 1)
    noise = torch.rand(fine.shape, generator=generator, dtype=torch.float64)
    levels = 20 + 170 * fine + 40 * noise
    return levels[:1], levels[None, 1:]


def directions(image, count=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *image.shape, generator=generator, dtype=torch.float64)


def slopes(metric, fused, sources):
    """Along a direction: of the gradient, and of a small step; None if autograd gives none."""
    fused = fused.clone().requires_grad_()
    value = metric.score(fused, sources)
    if not value.requires_grad:
        return None
    try:
        (gradient,) = torch.autograd.grad(value.sum(), fused)
    except RuntimeError:  # what it needs was changed in place, and autograd says so
        return None
    step = STEP * directions(fused)[0]
    with torch.no_grad():
        rise = metric.score(fused + step, sources) - metric.score(fused - step, sources)
    return (gradient * step).sum().item(), rise.item() / 2


@pytest.mark.parametrize("name", LISTED.split())
def test_what_losses_are_made_of_is_differentiable(name):
    assert METRICS[name].is_differentiable


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "form"), FORMS)
def test_the_gradient_is_that_of_the_formula(metric, form):
    scorer = metric(form)
    fused, sources = images(scorer)
    towards = directions(fused)
    if fused.shape[-1] <= MANY:
        point, image = fused, lambda point: point
    else:
        point = torch.zeros(len(towards), dtype=torch.float64)
        image = lambda point: fused + torch.tensordot(point, towards, dims=1)  # noqa: E731
    assert torch.autograd.gradcheck(
        lambda point: scorer.score(image(point), sources),
        point.clone().requires_grad_(),
        eps=STEP,
        atol=1e-8,  # what rounding leaves of a difference, for values of thousands
        rtol=1e-5,
    )


@pytest.mark.parametrize(("metric", "form"), FORMS)
def test_flat_regions_keep_the_gradient_finite(metric, form):
    """Where roots, ratios and angles have none; in one of them a source is flat, too."""
    scorer = metric(form)
    fused, sources = images(scorer)
    half = fused.shape[-2] // 2
    fused[..., : half + 2, :] = 100
    sources[:, 0, :, :, : half + 1] = 100
    fused.requires_grad_()
    scorer.score(fused, sources).sum().backward()
    assert fused.grad.isfinite().all()


@pytest.mark.parametrize("name", [key for key, one in METRICS.items() if not one.is_differentiable])
def test_a_metric_that_counts_or_rounds_has_no_gradient_and_says_so(name):
    found = slopes(METRICS[name](), *images(METRICS[name]()))
    assert found is None or found[0] == 0 or found[0] != pytest.approx(found[1], rel=1e-3)
