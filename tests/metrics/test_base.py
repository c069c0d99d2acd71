import math

import pytest
import torch
from torchmetrics import MetricCollection

from fusionlab.metrics import AverageGradient, Entropy, SpatialFrequency, StandardDeviation
from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_grey,
    check_range,
    check_sources,
    level_histogram,
    ordered_mean,
    pixel_mean,
    root,
    rounded,
)


class FirstPixel(ImageMean):
    name = "FP"
    long_name = "First pixel"
    conventions = {"paper": Convention("none")}  # noqa: RUF012

    def score(self, fused, sources):
        return fused[:, 0, 0, 0].double()


def images(*first_pixels):
    fused = torch.zeros(len(first_pixels), 1, 2, 2)
    fused[:, 0, 0, 0] = torch.tensor(first_pixels)
    return fused, fused[:, None]


def test_check_grey_names_what_is_wrong():
    good = torch.zeros(2, 1, 4, 4)
    check_grey(image=good, reference=good)
    with pytest.raises(ValueError, match=r"reference must be \(B, 1, H, W\), got \(2, 3, 4, 4\)"):
        check_grey(image=good, reference=good.expand(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"image must be floating point, got torch.uint8"):
        check_grey(image=good.byte())
    with pytest.raises(ValueError, match="image and reference must be the same size"):
        check_grey(image=good, reference=good[..., 1:])


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (2, 0, 1, 4, 4), (2, 2, 3, 4, 4), (1, 2, 1, 4, 4)])
def test_check_sources_says_which_shape_fits(shape):
    with pytest.raises(ValueError, match=r"sources must be \(2, M, 1, 4, 4\) to match fused, got"):
        check_sources(torch.zeros(2, 1, 4, 4), torch.zeros(shape))


@pytest.mark.parametrize("value", [-0.1, 255.5, math.nan, math.inf])
def test_check_range_refuses_what_no_8_bit_image_holds(value):
    check_range(image=torch.tensor([0.0, 255.0]))
    with pytest.raises(ValueError, match=r"image must lie in \[0, 255\], got values from"):
        check_range(image=torch.tensor([1.0, value]))


def test_level_histogram_rounds_half_to_even_and_keeps_images_apart():
    image = torch.tensor([[0.5, 1.5, 2.5, 255.0], [254.5, 254.5, 254.5, 3.4]]).view(2, 1, 2, 2)
    expected = torch.zeros(2, 256, dtype=torch.float64)
    expected[0, [0, 2, 255]] = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)
    expected[1, [254, 3]] = torch.tensor([0.75, 0.25], dtype=torch.float64)
    assert torch.equal(level_histogram(image), expected)


def test_pixel_mean_is_over_the_last_two_dimensions():
    values = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    assert pixel_mean(values).tolist() == [3.0]


def test_root_is_exact_and_has_gradient_0_at_0():
    values = torch.tensor([0.0, 4.0, 1e-300], dtype=torch.float64, requires_grad=True)
    result = root(values)
    result.sum().backward()
    assert result.tolist() == [0.0, 2.0, 1e-150]
    assert values.grad.tolist() == [0.0, 0.25, pytest.approx(5e149)]
    assert root(torch.tensor(math.nan)).isnan()


def test_root_is_correctly_rounded_on_every_cpu():
    """Python's is IEEE's; MKL's, PyTorch's on a CPU, is another in about one of a hundred."""
    values = torch.rand(10_000, dtype=torch.float64) * 1e3
    assert root(values).tolist() == [math.sqrt(value) for value in values.tolist()]
    transposed = values.view(100, 100).mT
    assert torch.equal(root(transposed), root(transposed.contiguous()))


def test_a_rounded_function_of_single_precision_is_that_of_double_precision_rounded():
    values = torch.linspace(-5, 1, 1001)
    found = rounded(torch.exp, values)
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.tensor([math.exp(x) for x in values.tolist()]))


def test_ordered_mean_does_not_depend_on_the_order():
    values = torch.rand(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    means = {ordered_mean(values[torch.randperm(1000)]).item() for _ in range(20)}
    assert len(means) == 1
    assert means.pop() == pytest.approx(values.mean().item(), rel=1e-14)


def test_the_mean_is_over_images_not_over_batches():
    metric = FirstPixel()
    metric.update(*images(1.0, 2.0, 3.0))
    metric.update(*images(10.0))
    assert metric.compute().item() == 4.0


def test_the_mean_of_no_image_is_nan():
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert FirstPixel().compute().isnan()


def test_forward_returns_the_batch_and_keeps_the_rest():
    metric = FirstPixel()
    assert metric(*images(1.0, 2.0)).item() == 1.5
    assert metric(*images(6.0)).item() == 6.0
    assert metric.compute().item() == 3.0
    metric.reset()
    metric.update(*images(7.0))
    assert metric.compute().item() == 7.0


def test_two_metrics_merge():
    one, other = FirstPixel(), FirstPixel()
    one.update(*images(1.0, 2.0))
    other.update(*images(6.0))
    one.merge_state(other)
    assert one.compute().item() == 3.0


def test_metrics_that_agree_on_the_first_image_stay_apart_in_a_metric_collection(fused, sources):
    metrics = [Entropy(), StandardDeviation(), AverageGradient(), SpatialFrequency()]
    together = MetricCollection(metrics)
    together.update(torch.zeros_like(fused), sources)  # all of them score 0
    together.update(fused, sources)
    for metric in metrics:
        alone = type(metric)()
        alone.update(torch.zeros_like(fused), sources)
        alone.update(fused, sources)
        assert together.compute()[type(metric).__name__] == alone.compute()
