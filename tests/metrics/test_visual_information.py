import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torchmetrics.functional.image import visual_information_fidelity as torchmetrics_vif

from fusionlab.metrics.visual_information import (
    VisualInformationFidelity,
    visual_information_fidelity,
)

PUBLISHED = {"paper": "linfeng", "cddfuse": "cddfuse_float64"}  # else as the convention
PROGRAMS = [one for one in VisualInformationFidelity.conventions if one != "linfeng_uint8"]
# In white areas rounding decides whether a variance is below 1e-10, in single precision, that of
# ivif_zoo, whether it is below 0.01.
RELATIVE = {"ivif_zoo": 1e-2}


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(5)
    fused = torch.randint(0, 256, (2, 1, 48, 45), generator=generator).float()
    return fused, torch.randint(0, 256, (2, 2, 1, 48, 45), generator=generator).float()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_real_images_score_as_the_original(name, triples):
    metric = VisualInformationFidelity(name)
    for case in triples:
        expected = case.published["VIF"][PUBLISHED.get(name, name)]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=RELATIVE.get(name, 1e-5)), case.name


@pytest.mark.parametrize("name", PROGRAMS)
def test_degenerate_images_score_as_the_original_or_are_refused(name, edge_cases):
    metric = VisualInformationFidelity(name)
    for case in edge_cases:
        if case.name == "tiny_8x8" and name != "ivif_zoo":  # scipy swaps image and window there
            with pytest.raises(ValueError, match="VIF needs images of at least 41 x 41"):
                metric.score(case.fused, case.sources)
            continue
        expected = float(case.published["VIF"][PUBLISHED.get(name, name)])
        value = metric.score(case.fused, case.sources).item()
        relative = 1e-4 if name == "ivif_zoo" else 1e-8
        assert value == pytest.approx(expected, rel=relative, nan_ok=True), case.name


def test_half_the_contrast_of_a_checkerboard():
    board = 128 + 20 * (1 - 2 * (torch.arange(41)[:, None] + torch.arange(41)).remainder(2.0))
    board = board.expand(1, 1, 41, 41)
    half = 128 + (board - 128) / 2
    # scale 1 only: variance 400, gain 1/2
    expected = math.log(1 + 400 / 4 / 2) / math.log(1 + 400 / 2)
    value = visual_information_fidelity(half, board.unsqueeze(1))
    assert value.item() == pytest.approx(expected, rel=1e-5)  # the window's mean is not quite 128


def test_a_pair_scores_as_torchmetrics_says(pair):
    fused, sources = pair
    fused = (fused + sources[:, 0]) / 2
    expected = torchmetrics_vif(fused.double(), sources[:, 0].double(), reduction="none")
    value = visual_information_fidelity(fused, sources[:, :1])
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)


def test_the_sources_add_up_and_each_scores_one_for_itself(pair):
    fused, sources = pair
    parts = [visual_information_fidelity(fused, sources[:, m : m + 1]) for m in range(2)]
    torch.testing.assert_close(visual_information_fidelity(fused, sources), sum(parts))
    itself = visual_information_fidelity(fused, fused.unsqueeze(1).expand(-1, 3, -1, -1, -1))
    torch.testing.assert_close(itself, torch.full((2,), 3.0, dtype=torch.float64))


def test_brightness_does_not_matter(pair):
    fused, sources = pair
    torch.testing.assert_close(
        visual_information_fidelity(fused + 9, sources), visual_information_fidelity(fused, sources)
    )


def test_batches_layouts_and_precisions_do_not_matter(pair):
    fused, sources = pair
    value = visual_information_fidelity(fused, sources)
    parts = [visual_information_fidelity(fused[i : i + 1], sources[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(torch.cat(parts), value, rtol=1e-12, atol=0)
    elsewhere = fused.mT.contiguous().mT
    assert torch.equal(visual_information_fidelity(elsewhere, sources.double()), value)


def test_a_flat_source_adds_nothing_or_what_is_asked_for(pair):
    fused, sources = pair
    flat = torch.full_like(sources[:, :1], 255)
    one, both = sources[:, :1], torch.cat([sources[:, :1], flat], dim=1)
    assert visual_information_fidelity(fused, both).isnan().all()
    expected = visual_information_fidelity(fused, one) + 0.5
    value = visual_information_fidelity(fused, both, flat_source=0.5)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("option", ["padding", "window"])
def test_an_unknown_option_is_refused(option, pair):
    with pytest.raises(ValueError, match=f"{option} must be one of"):
        visual_information_fidelity(*pair, **{option: "unknown"})


def test_the_gradient_is_that_of_the_formula(pair):
    fused, sources = (images.double() for images in pair)
    fused = (0.7 * fused + 0.3 * sources[:, 0]).requires_grad_()
    direction = torch.randn(fused.shape, dtype=torch.float64, generator=torch.Generator())
    visual_information_fidelity(fused, sources).sum().backward()
    with torch.no_grad():
        step = 1e-4 * direction
        ahead = visual_information_fidelity(fused + step, sources).sum()
        back = visual_information_fidelity(fused - step, sources).sum()
    slope = ((ahead - back) / 2e-4).item()
    assert (fused.grad * direction).sum().item() == pytest.approx(slope, rel=1e-5)


def test_the_gradient_of_a_flat_image_is_finite():
    flat = torch.full((1, 1, 41, 41), 100.0, requires_grad=True)
    visual_information_fidelity(flat, flat.detach().unsqueeze(1), flat_source=1.0).sum().backward()
    assert flat.grad.isfinite().all()


def saturated_vif(source, fused):
    """By numpy: products of the 8-bit levels stop at 255, those of later scales are doubles."""
    total = available = 0.0
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        row = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * (size / 5) ** 2))
        window = np.outer(row, row) / row.sum() ** 2
        if scale:
            source, fused = (convolve2d(one, window, "valid")[::2, ::2] for one in (source, fused))
        most = np.inf if scale else 255
        products = (source * source, fused * fused, source * fused)
        squares = [convolve2d(np.minimum(one, most), window, "valid") for one in products]
        a, b = (convolve2d(one, window, "valid") for one in (source, fused))
        va, vb = np.maximum(squares[0] - a * a, 0), np.maximum(squares[1] - b * b, 0)
        covariance = squares[2] - a * b
        seen = (va >= 1e-10) & (vb >= 1e-10) & (covariance >= 0)
        gain = np.where(seen, covariance / (va + 1e-10), 0)
        rest = np.maximum(vb - gain * covariance, 1e-10)
        total += np.log10(1 + gain**2 * va / (rest + 2)).sum()
        available += np.log10(1 + np.where(va < 1e-10, 0, va) / 2).sum()
    return total / available


def test_eight_bits_spoil_the_first_scale(pair):
    fused, sources = pair
    fused = (sources.mean(dim=1) + fused / 16).clamp(0, 255).round()  # a fused image, not noise
    values = VisualInformationFidelity("linfeng_uint8").score(fused, sources)
    for k, value in enumerate(values.tolist()):
        grey = [one.double().numpy() for one in (fused[k, 0], *sources[k, :, 0])]
        expected = sum(saturated_vif(source, grey[0]) for source in grey[1:])
        assert value == pytest.approx(expected, rel=1e-9)
    assert not torch.allclose(values, VisualInformationFidelity("linfeng").score(fused, sources))
