import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.ttd import reconstruction_loss, relative_dominability

E = math.e
COMBINATIONS = [
    (form, normalization, correlation)
    for form, normalization, correlation in itertools.product(
        ("exp", "linear", "sigmoid"),
        ("softmax", "proportional", "none", "peak"),
        ("negative", "positive"),
    )
    if form != "linear" or normalization in ("softmax", "peak")
]
NORMALIZED = [choice for choice in COMBINATIONS if choice[1] in ("softmax", "proportional")]
each_normalized = pytest.mark.parametrize(("form", "normalization", "correlation"), NORMALIZED)
each_combination = pytest.mark.parametrize(("form", "normalization", "correlation"), COMBINATIONS)


def pixel(*losses: float) -> Tensor:
    """Losses of M sources at one pixel."""
    return torch.tensor(losses).view(1, -1, 1, 1, 1)


def test_l1_is_the_mean_absolute_difference_over_the_channels():
    sources = torch.tensor([0.5, 0.5, 0.5]).view(1, 1, 3, 1, 1)
    components = torch.tensor([0.2, 0.5, 0.8]).view(1, 1, 3, 1, 1)
    assert reconstruction_loss(components, sources).item() == pytest.approx(0.2)
    assert reconstruction_loss(components, sources, "l1").item() == pytest.approx(0.2)


def test_mse_is_the_mean_squared_difference_over_the_channels():
    sources = torch.tensor([0.5, 0.5, 0.5]).view(1, 1, 3, 1, 1)
    components = torch.tensor([0.2, 0.5, 0.8]).view(1, 1, 3, 1, 1)
    assert reconstruction_loss(components, sources, "mse").item() == pytest.approx(0.06)


def test_ssim_of_flat_images_by_hand():
    """Without variance SSIM is its luminance term, (2 x y + C1) / (x² + y² + C1)."""
    sources = torch.full((1, 1, 1, 12, 13), 0.5)
    components = torch.full((1, 1, 1, 12, 13), 0.25)
    ssim = (2 * 0.125 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    losses = reconstruction_loss(components, sources, "ssim")
    assert_close(losses, torch.full_like(sources, (1 - ssim) / 2), rtol=0, atol=1e-4)


def test_ssim_agrees_with_scikit_image():
    from skimage.metrics import structural_similarity

    images = torch.rand(2, 40, 37, dtype=torch.float64)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "truncate": 3.5}
    _, expected = structural_similarity(
        *images.numpy(), data_range=1.0, full=True, sigma=1.5, **options
    )
    x, y = images[:, None, None, None]
    losses = reconstruction_loss(x, y, "ssim")
    inner = (slice(5, -5), slice(5, -5))  # borders are continued in another way
    assert_close(losses[0, 0, 0][inner], (1 - torch.from_numpy(expected)[inner]) / 2)


def test_ssim_is_luminance_times_structure():
    """Luminance by SciPy's own Gaussian window."""
    from scipy.ndimage import gaussian_filter

    x, y = torch.rand(2, 1, 1, 1, 40, 37, dtype=torch.float64)
    means = [torch.from_numpy(gaussian_filter(i.numpy()[0, 0, 0], 1.5, radius=5)) for i in (x, y)]
    c1 = 0.01**2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    ssim, structure = (1 - 2 * reconstruction_loss(x, y, loss) for loss in ("ssim", "structure"))
    inner = (slice(5, -5), slice(5, -5))  # borders are continued in another way
    expected = luminance * structure[0, 0, 0]
    assert_close(ssim[0, 0, 0][inner], expected[inner], rtol=0, atol=1e-6)
    assert (luminance < 0.99).any()


def test_structure_is_blind_to_brightness_but_not_to_contrast():
    x, y = torch.rand(2, 1, 2, 3, 20, 17, dtype=torch.float64)
    losses = reconstruction_loss(x, y, "structure")
    assert_close(reconstruction_loss(x + 0.4, y, "structure"), losses)
    assert reconstruction_loss(0.5 * x, x, "structure").mean() > 0.05
    flat = torch.full_like(x, 0.9)  # clipped: nothing of x is left
    assert (reconstruction_loss(flat, x, "structure") > 0.4).all()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("loss", ["ssim", "structure"])
def test_equal_images_have_no_loss_of_windows(loss, value):
    flat = torch.full((1, 2, 3, 8, 9), value)
    assert torch.equal(reconstruction_loss(flat, flat, loss), torch.zeros(1, 2, 1, 8, 9))
    textured = torch.rand(1, 2, 3, 8, 9)
    assert (reconstruction_loss(textured, textured, loss) <= 1e-6).all()


@pytest.mark.parametrize("loss", ["ssim", "structure"])
def test_rounding_of_bright_flat_images_is_small(loss):
    """A variance is little beside the square of a mean."""
    images = 0.9 + torch.randn(2, 1, 2, 1, 40, 50, dtype=torch.float64) / 255
    exact = reconstruction_loss(*images, loss)
    assert_close(reconstruction_loss(*images.float(), loss), exact.float(), rtol=0, atol=2e-6)
    assert exact.mean() > 1e-3


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("loss", ["l1", "mse", "ssim", "structure"])
def test_autocast_changes_no_loss(loss, half):
    components, sources = torch.rand(2, 1, 2, 1, 20, 30)
    expected = reconstruction_loss(components, sources, loss)
    with torch.autocast("cpu", dtype=half):
        assert torch.equal(reconstruction_loss(components, sources, loss), expected)


@pytest.mark.parametrize("loss", ["ssim", "structure"])
def test_images_smaller_than_the_window_are_refused(loss):
    small = torch.rand(1, 2, 1, 5, 40)
    with pytest.raises(InputError, match=rf"{loss} needs .* 6 pixels a side, got 40x5; set ttd"):
        reconstruction_loss(small, small, loss)


def test_a_component_outside_the_range_is_not_clamped():
    assert reconstruction_loss(pixel(1.5, -2.0), pixel(1.0, 0.0)).flatten().tolist() == [0.5, 2.0]


def test_every_pixel_of_every_source_has_its_own_loss():
    components, sources = torch.rand(2, 3, 1, 4, 5), torch.rand(2, 3, 1, 4, 5)
    losses = reconstruction_loss(components, sources)
    assert losses.shape == (2, 3, 1, 4, 5)
    expected = abs(components[1, 2, 0, 3, 4].item() - sources[1, 2, 0, 3, 4].item())
    assert losses[1, 2, 0, 3, 4].item() == pytest.approx(expected)
    colour = reconstruction_loss(components.repeat(1, 1, 3, 1, 1), sources.repeat(1, 1, 3, 1, 1))
    assert_close(colour, losses)


# Losses 0 and ln 2 make every score a fraction: e^∓γℓ is 1 and 1/2 (or 2), σ is 1/2 and 1/3 (2/3).
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(
    ("form", "normalization", "correlation", "first", "second"),
    [
        ("exp", "softmax", "negative", E / (E + E**0.5), E**0.5 / (E + E**0.5)),
        ("exp", "softmax", "positive", E / (E + E**2), E**2 / (E + E**2)),
        ("exp", "proportional", "negative", 2 / 3, 1 / 3),
        ("exp", "proportional", "positive", 1 / 3, 2 / 3),
        ("exp", "none", "negative", 1 / 2, 1 / 4),
        ("exp", "none", "positive", 1 / 2, 1),
        ("linear", "softmax", "negative", 2 / 3, 1 / 3),
        ("linear", "softmax", "positive", 1 / 3, 2 / 3),
        ("sigmoid", "softmax", "negative", 1 / (1 + E ** (-1 / 6)), 1 / (1 + E ** (1 / 6))),
        ("sigmoid", "softmax", "positive", 1 / (1 + E ** (1 / 6)), 1 / (1 + E ** (-1 / 6))),
        ("sigmoid", "proportional", "negative", 3 / 5, 2 / 5),
        ("sigmoid", "proportional", "positive", 3 / 7, 4 / 7),
        ("sigmoid", "none", "negative", 1 / 4, 1 / 6),
        ("sigmoid", "none", "positive", 1 / 4, 1 / 3),
    ],
)
def test_two_sources_by_hand(form, normalization, correlation, first, second, temperature):
    losses = pixel(0, math.log(2) / temperature)
    weights = relative_dominability(losses, temperature, form, normalization, correlation)
    assert weights.flatten().tolist() == pytest.approx([first, second])


def test_the_defaults_are_equation_6():
    """γ = 1, softmax of e^−ℓ."""
    scores = [math.exp(-loss) for loss in (0.1, 0.4, 0.2)]
    total = sum(math.exp(score) for score in scores)
    expected = [math.exp(score) / total for score in scores]
    weights = relative_dominability(pixel(0.1, 0.4, 0.2))
    assert weights.flatten().tolist() == pytest.approx(expected)


@each_normalized
def test_weights_sum_to_one_at_every_pixel(form, normalization, correlation):
    losses = torch.rand(2, 5, 1, 6, 7)
    weights = relative_dominability(losses, 3.0, form, normalization, correlation)
    assert weights.shape == losses.shape
    assert_close(weights.sum(1), torch.ones(2, 1, 6, 7), rtol=0, atol=5e-7)


@each_combination
def test_permuted_sources_have_permuted_weights(form, normalization, correlation):
    losses, order = torch.rand(2, 4, 1, 6, 7), [2, 0, 3, 1]
    weights = relative_dominability(losses, 3.0, form, normalization, correlation)
    permuted = relative_dominability(losses[:, order], 3.0, form, normalization, correlation)
    assert_close(permuted, weights[:, order])


@each_combination
def test_a_worse_source_weighs_less_or_more_as_the_correlation_says(
    form, normalization, correlation
):
    losses = pixel(0.1, 0.3, 0.2)
    weights = relative_dominability(losses, 2.0, form, normalization, correlation).flatten()
    ranks = weights.argsort(descending=correlation == "negative").tolist()
    assert ranks == [0, 2, 1]
    assert weights.unique().numel() == 3


@each_normalized
def test_equal_losses_weigh_exactly_alike(form, normalization, correlation):
    for count, loss, temperature in itertools.product(
        (1, 2, 3, 6, 7, 41, 49), (0.0, 0.3, 3.0), (0.0, 1.0, 50.0, 1e4)
    ):
        losses = torch.full((1, count, 1, 5, 7), loss)
        weights = relative_dominability(losses, temperature, form, normalization, correlation)
        assert torch.equal(weights, torch.full_like(losses, 1 / count)), (count, loss, temperature)


@each_normalized
def test_a_temperature_of_zero_weighs_all_exactly_alike(form, normalization, correlation):
    losses = 10 * torch.rand(2, 3, 1, 5, 7)
    weights = relative_dominability(losses, 0.0, form, normalization, correlation)
    assert torch.equal(weights, torch.full_like(losses, 1 / 3))


@pytest.mark.parametrize("normalization", ["softmax", "proportional"])
@pytest.mark.parametrize("temperature", [50.0, 1e4])
def test_a_large_temperature_turned_round_chooses_the_worst_source(temperature, normalization):
    """e^150 is beyond single precision."""
    losses = pixel(0.0, 3.0, 2.5)
    weights = relative_dominability(losses, temperature, "exp", normalization, "positive")
    assert_close(weights, pixel(0.0, 1.0, 0.0), rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [1, 2, 3, 41])
def test_peak_leaves_the_best_source_as_it_is(count):
    """Its share of the largest is 1, so its features are scaled by M · 1/M."""
    losses = torch.rand(2, count, 1, 6, 7)
    weights = relative_dominability(losses, 3.0, normalization="peak")
    shares = relative_dominability(losses, 3.0)
    assert (weights.amax(1) == 1 / torch.tensor(count)).all()
    assert_close(weights / weights.sum(1, keepdim=True), shares)
    equal = relative_dominability(losses[:, :1].expand_as(losses), 3.0, normalization="peak")
    assert torch.equal(equal, torch.full_like(losses, 1 / count))


def test_every_image_may_have_its_own_temperature():
    losses = torch.rand(2, 3, 1, 4, 5)
    temperatures = torch.tensor([2.0, 0.0]).view(2, 1, 1, 1, 1)
    weights = relative_dominability(losses, temperatures)
    assert torch.equal(weights[:1], relative_dominability(losses[:1], 2.0))
    assert torch.equal(weights[1:], torch.full((1, 3, 1, 4, 5), 1 / 3))


@pytest.mark.parametrize("temperature", [50.0, 1e4])
def test_a_large_temperature_chooses_the_best_source_by_proportion(temperature):
    """Every score is 0 in single precision: e^−150 and less."""
    losses = pixel(4.0, 3.0, 3.5)
    weights = relative_dominability(losses, temperature, "exp", "proportional")
    assert_close(weights, pixel(0.0, 1.0, 0.0), rtol=0, atol=1e-10)


@each_combination
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_losses_give_no_nan(form, normalization, correlation, kind):
    values = torch.tensor([0.0, 1e-7, 0.5, 3.0, 1e4], dtype=kind)
    losses = torch.cartesian_prod(values, values, values).T.reshape(1, 3, 1, 5, 25)
    for temperature in (0.0, 1.0, 50.0, 1e4, 1e30):
        weights = relative_dominability(losses, temperature, form, normalization, correlation)
        assert weights.isfinite().all(), temperature
        assert (weights >= 0).all(), temperature
        if normalization in ("softmax", "proportional"):
            assert (weights.sum(1) - 1).abs().max() < 1e-6, temperature


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_losses_weigh_as_in_single_precision(kind):
    losses = torch.rand(1, 3, 1, 4, 5).to(kind)
    assert torch.equal(relative_dominability(losses), relative_dominability(losses.float()))


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"form": "log"}, "form must be exp, linear or sigmoid, got 'log'"),
        (
            {"normalization": "max"},
            "normalization must be softmax, proportional, none or peak, got 'max'",
        ),
        ({"correlation": "none"}, "correlation must be negative or positive, got 'none'"),
        ({"form": "linear", "normalization": "proportional"}, "must be softmax"),
        ({"form": "linear", "normalization": "none"}, "must be softmax"),
    ],
    ids=str,
)
def test_an_unknown_choice_is_refused(choice, reason):
    with pytest.raises(ValueError, match=reason):
        relative_dominability(pixel(0.1, 0.2), **choice)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss must be l1, mse, ssim or structure, got 'l2'"):
        reconstruction_loss(pixel(1), pixel(1), "l2")
