"""What holds for every metric in every convention."""

import pytest
import torch

from fusionlab.metrics import METRICS, PRESETS, FusionMetrics, open_metrics
from fusionlab.metrics.shared import sharing

FORMS = [(name, form) for name, metric in METRICS.items() for form in metric.conventions]
FIRST = {(name, next(iter(metric.conventions))) for name, metric in METRICS.items()}


def forms(*left_out):
    """Every metric in every convention, but those left out; slow but for the first of each."""
    return pytest.mark.parametrize(
        ("name", "form"),
        [
            pytest.param(*one, id=":".join(one), marks=() if one in FIRST else pytest.mark.slow)
            for one in FORMS
            if one not in left_out
        ],
    )


each_form = forms()
QUICK = ("en", "sd", "ag")
SMALL = 56  # every metric but MS-SSIM (176) measures images of this side
UNSYMMETRIC = [  # bugs: where both sources gain equally, or one window is anti-correlated
    *(("viff", form) for form in METRICS["viff"].conventions),
    *(("qc", form) for form in METRICS["qc"].conventions if form != "paper"),
]


def images(side, count=2, batch=2):
    """Smooth 8-bit images, for metrics look at structure: fused, and sources."""
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand(batch * (count + 1), 1, 8, 8, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (side, side + 3), mode="bicubic")
    noise = 0.1 * torch.rand(fine.shape, generator=generator)
    levels = (255 * (fine + noise)).clamp(0, 255).round().unflatten(0, (batch, count + 1))
    return levels[:, 0], levels[:, 1:]


def measure(name, form, fused, sources):
    return METRICS[name](form).score(fused, sources)


def images_for(name, form, **counts):
    return images(max(SMALL, METRICS[name](form).minimum_size), **counts)


@each_form
def test_a_batch_scores_like_its_members(name, form):
    fused, sources = images_for(name, form)
    metric = METRICS[name](form)
    members = torch.cat([metric.score(fused[k : k + 1], sources[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(metric.score(fused, sources), members)
    assert torch.equal(metric.image_scores(fused, sources), members)


@forms(*UNSYMMETRIC)
def test_swapping_the_sources_changes_nothing(name, form):
    fused, sources = images_for(name, form)
    swapped = measure(name, form, fused, sources.flip(1))
    torch.testing.assert_close(swapped, measure(name, form, fused, sources))


@each_form
def test_the_precision_of_8_bit_images_does_not_matter(name, form):
    fused, sources = images_for(name, form, batch=1)
    expected = measure(name, form, fused.double(), sources.double())
    for dtype in (torch.bfloat16, torch.float32):
        value = measure(name, form, fused.to(dtype), sources.to(dtype))
        assert value.dtype == torch.float64
        assert torch.equal(value, expected), dtype


@each_form
def test_the_layout_in_memory_does_not_matter(name, form):
    fused, sources = images_for(name, form, batch=1)
    value = measure(name, form, fused.mT.contiguous().mT, sources.mT.contiguous().mT)
    assert torch.equal(value, measure(name, form, fused, sources))


@each_form
def test_sharing_changes_nothing(name, form):
    """Whatever was computed before for the same images."""
    fused, sources = images_for(name, form, batch=1)
    alone = measure(name, form, fused, sources)
    with sharing():
        for other in METRICS[name].conventions:
            if METRICS[name](other).minimum_size <= fused.shape[2]:
                measure(name, other, fused, sources)
        assert torch.equal(measure(name, form, fused, sources), alone)


@each_form
def test_three_sources_are_measured_or_refused(name, form):
    fused, sources = images_for(name, form, count=3, batch=1)
    metric = METRICS[name](form)
    if metric.source_count is None:
        assert metric.score(fused, sources).isfinite().all()
    else:
        with pytest.raises(ValueError, match=r"2 sources|two sources"):
            metric.score(fused, sources)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",  # threads that wait for each other take long on a busy machine
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in METRICS],
)
def test_the_number_of_threads_does_not_matter(name):
    fused, sources = images(200, batch=1)
    threads = torch.get_num_threads()
    values = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            values.append(METRICS[name]().score(fused, sources))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*values)


@each_form
def test_the_minimum_size_is_the_smallest_that_works(name, form):
    metric = METRICS[name](form)
    side = metric.minimum_size
    fused, sources = images(side, batch=1)
    fused, sources = fused[..., :side], sources[..., :side]
    assert metric.score(fused, sources).shape == (1,)
    if side > 1:
        with pytest.raises(ValueError, match=f"needs images of at least {side} x"):
            metric.score(fused[..., 1:], sources[..., 1:])


@pytest.mark.parametrize("name", METRICS)
def test_a_wrong_shape_is_refused(name):
    for shape in ((9, 8), (1, 9, 8), (1, 3, 9, 8), (0, 1, 9, 8)):
        with pytest.raises(ValueError, match=r"must be \(B, 1, H, W\), got"):
            METRICS[name]().update(torch.zeros(shape), torch.zeros(1, 2, 1, 9, 8))


@each_form
def test_every_form_introduces_itself(name, form):
    metric = METRICS[name](form)
    assert metric.name.lower() == name
    assert metric.long_name
    assert metric.convention
    assert "\n" not in metric.convention
    assert next(iter(metric.conventions)) == "paper"


def test_an_unknown_form_lists_the_known_ones():
    with pytest.raises(ValueError, match="EI has no convention 'mfeb'; it has paper, ttd, mefb"):
        METRICS["ei"]("mfeb")


def test_directions_are_those_of_the_field():
    down = {name for name, metric in METRICS.items() if metric.higher_is_better is False}
    assert down == {"ce", "mse", "labf", "nabf", "qcv"}
    assert {name for name, metric in METRICS.items() if metric.higher_is_better is None} == {"q_sf"}


@pytest.mark.parametrize("preset", [*PRESETS, "all"])
def test_every_preset_opens(preset):
    metrics = open_metrics(preset)
    expected = {"paper"} if preset == "all" else {preset}
    assert {metric.convention_name for metric in metrics} == expected
    names = [metric.name for metric in metrics]
    assert len(set(names)) == len(names)


def test_the_table_of_the_ttd_paper():
    names = ["EN", "SD", "AG", "EI", "SF", "SCD", "SSIM", "CE"]
    assert list(FusionMetrics().names) == names


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_no_metric_looks_at_the_default_type(kind):
    """Lightning changes it for trainer.precision 16-true and bf16-true."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (3, 1, 64, 72), generator=generator).float()
    fused, sources = images[:1], images[None, 1:]
    every = [one for one in open_metrics(names=list(METRICS)) if one.minimum_size <= SMALL]
    expected = [metric.score(fused, sources) for metric in every]
    torch.set_default_dtype(kind)
    try:
        found = [metric.score(fused, sources) for metric in every]
    finally:
        torch.set_default_dtype(torch.float32)
    wrong = [
        metric.name
        for metric, one, other in zip(every, expected, found, strict=True)
        if not torch.equal(one, other)
    ]
    assert wrong == []
