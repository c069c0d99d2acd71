"""What holds for every metric, and what other programs say on real and degenerate images."""

import math

import pytest
import torch

from fusionlab.metrics import METRICS, TTD_PRESET, FusionMetrics

NAMES = sorted(METRICS)
DIFFERENTIABLE = [name for name in NAMES if METRICS[name].is_differentiable]

# the program whose convention is ours, and what its value is to be multiplied with
PROGRAMS = {
    "ag": ("AG", "cddfuse_float64", 1),
    "ce": ("CE", "formula:full_eps1e-7(mean)", 1),
    "ei": ("EI", "mefb", 0.25),
    "en": ("EN", "cddfuse_float64", 1),
    "scd": ("SCD", "cddfuse_float64", 1),
    "sd": ("SD", "cddfuse_float64", 1),
    "sf": ("SF", "cddfuse_float64", 1),
    "ssim": ("SSIM", "skimage:uniform7_L255(A+B)", 1),
}


def test_the_table_is_that_of_the_ttd_paper():
    names = ["EN", "SD", "AG", "EI", "SF", "SCD", "SSIM", "CE"]
    assert [metric.name for metric in TTD_PRESET] == names
    assert list(METRICS) == [name.lower() for name in names]
    assert tuple(METRICS.values()) == TTD_PRESET


@pytest.mark.parametrize("name", NAMES)
def test_real_images_score_as_published_programs_say(name, triples):
    metric = METRICS[name]()
    key, program, factor = PROGRAMS[name]
    for case in triples:
        expected = factor * case.published[key][program]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=1e-8), case.name  # stored to 10 digits


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_images_score_as_published_programs_say_or_as_documented(name, edge_cases):
    metric = METRICS[name]()
    key, program, factor = PROGRAMS[name]
    for case in edge_cases:
        value = metric.score(case.fused, case.sources).item()
        published = case.published[key]
        if name in ("ce", "ssim"):  # stored per source
            root = {"ce": "formula:full_eps1e-7", "ssim": "skimage:uniform7_L255"}[name]
            both = published[f"{root}_A"] + published[f"{root}_B"]
            expected = both / 2 if name == "ce" else both
        else:
            expected = factor * float(published[program])
        if math.isnan(expected):
            assert name == "scd", case.name
            assert -2 <= value <= 2, case.name
        else:
            assert value == pytest.approx(expected, rel=1e-8, abs=1e-12), case.name


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_scores_like_its_members(name, fused, sources):
    metric = METRICS[name]()
    members = [metric.score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    torch.testing.assert_close(metric.score(fused, sources), torch.cat(members))
    assert torch.equal(metric.image_scores(fused, sources), torch.cat(members))


@pytest.mark.parametrize("name", NAMES)
def test_swapping_the_sources_changes_nothing(name, fused, sources):
    metric = METRICS[name]()
    assert torch.equal(metric.score(fused, sources.flip(1)), metric.score(fused, sources))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_precision_of_8_bit_images_does_not_matter(name, dtype, fused, sources):
    metric = METRICS[name]()
    value = metric.score(fused.to(dtype), sources.to(dtype))
    assert value.dtype == torch.float64
    assert torch.equal(value, metric.score(fused.double(), sources.double()))


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_in_memory_does_not_matter(name, fused, sources):
    metric = METRICS[name]()
    fused_elsewhere = fused.mT.contiguous().mT
    sources_elsewhere = sources.permute(4, 3, 2, 1, 0).contiguous().permute(4, 3, 2, 1, 0)
    assert not fused_elsewhere.is_contiguous()
    assert not sources_elsewhere.is_contiguous()
    value = metric.score(fused_elsewhere, sources_elsewhere)
    assert torch.equal(value, metric.score(fused, sources))


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_threads_does_not_matter(name):
    generator = torch.Generator().manual_seed(3)
    fused = 255 * torch.rand(1, 1, 300, 200, generator=generator)
    sources = 255 * torch.rand(1, 2, 1, 300, 200, generator=generator)
    threads = torch.get_num_threads()
    values = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            values.append(METRICS[name]().score(fused, sources))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*values)


@pytest.mark.parametrize("name", NAMES)
def test_the_minimum_size_is_the_smallest_that_works(name):
    metric = METRICS[name]()
    side = metric.minimum_size
    image = torch.arange(float(side**2)).view(1, 1, side, side)
    sources = torch.stack([image, image.mT], dim=1)
    assert metric.score(image, sources).isfinite().all()
    if side > 1:
        with pytest.raises(ValueError, match=f"{metric.name} needs images of at least {side} x"):
            metric.score(image[..., 1:], sources[..., 1:])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(9, 8), (1, 9, 8), (1, 3, 9, 8), (0, 1, 9, 8)])
def test_a_wrong_shape_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"must be \(B, 1, H, W\), got"):
        METRICS[name]().update(torch.zeros(shape), torch.zeros(1, 2, 1, 9, 8))


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_introduces_itself(name):
    metric = METRICS[name]
    assert metric.name.lower() == name
    assert metric.long_name
    assert metric.convention
    assert "\n" not in metric.convention
    assert metric.higher_is_better is (name != "ce")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_gradient_is_that_of_the_formula(name, fused, sources):
    metric = METRICS[name]()
    image = fused[:1].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: metric.score(x, sources[:1]), image)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("other", [0.0, 100.0])
def test_the_gradient_of_a_flat_image_is_finite(name, other):
    image = torch.full((1, 1, 8, 8), 100.0, requires_grad=True)
    METRICS[name]().score(image, torch.full((1, 2, 1, 8, 8), other)).sum().backward()
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_collection_and_the_metric_agree(name, fused, sources):
    metric, collection = METRICS[name](), FusionMetrics()
    metric.update(fused, sources)
    collection.update(fused, sources)
    assert torch.equal(collection.compute()[metric.name], metric.compute())
