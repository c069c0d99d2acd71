import pytest
import torch

from fusionlab.metrics.piella import (
    EdgeFusionQuality,
    FusionQuality,
    WeightedFusionQuality,
    edge_fusion_quality,
    fusion_quality,
    prewitt,
    weighted_fusion_quality,
)
from fusionlab.metrics.structural_similarity import StructuralSimilarity, similarity_map

DOUBLE = 1e-8  # stored to 10 digits; Qw of the paper 2.6e-9, for it does not weigh rounding
FEW = ("v01", "v10", "v22", "v23")
PROGRAMS = [
    (FusionQuality, "paper", "Qs", "zhengliu"),
    (FusionQuality, "zhengliu", "Qs", "zhengliu"),
    (WeightedFusionQuality, "paper", "Qw", "zhengliu"),
    (WeightedFusionQuality, "zhengliu", "Qw", "zhengliu"),
    (WeightedFusionQuality, "mefb", "Qe", "mefb:Qw(edge images only)"),
    (EdgeFusionQuality, "mefb", "Qe", "mefb:Qw(edge images only)"),
]


def check(program, cases):
    metric, convention, field, key = program
    for case in cases:
        value = metric(convention).score(case.fused, case.sources).item()
        assert value == pytest.approx(case.published[field][key], rel=DOUBLE), case.name


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_few_real_images_score_as_the_program_says(program, triples):
    check(program, [case for case in triples if case.name in FEW])


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_real_images_score_as_the_program_says(program, triples):
    check(program, triples)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(program, edge_cases):
    metric, convention, field, key = program
    for case in edge_cases:
        if min(case.fused.shape[-2:]) < 11:
            with pytest.raises(ValueError, match=f"{metric.name} needs images of at least 11 x 11"):
                metric(convention).score(case.fused, case.sources)
        elif convention != "paper" or case.name != "constant_A50_B150_F100":  # see below
            value = metric(convention).score(case.fused, case.sources).item()
            expected = case.published[field][key]
            assert value == pytest.approx(expected, rel=DOUBLE, abs=1e-12), case.name


@pytest.mark.parametrize("quality", [fusion_quality, weighted_fusion_quality])
def test_flat_sources_count_alike(quality):
    flat = torch.ones(1, 1, 12, 12)
    sources = torch.stack([50 * flat, 150 * flat], dim=1)
    mean = StructuralSimilarity("vifb").score(100 * flat, sources) / 2
    torch.testing.assert_close(quality(100 * flat, sources), mean)


@pytest.fixture
def noise():
    return 255 * torch.rand(3, 1, 14, 13, generator=torch.Generator().manual_seed(6))


def test_a_flat_source_counts_for_nothing(noise):
    sources = torch.stack([noise.flip(0), torch.full_like(noise, 90)], dim=1)
    expected = StructuralSimilarity("vifb").score(noise, sources[:, :1])
    torch.testing.assert_close(fusion_quality(noise, sources), expected)


def test_windows_are_weighted_by_the_larger_variance():
    image = 255 * torch.rand(1, 1, 11, 12, generator=torch.Generator().manual_seed(7))
    sources = torch.stack([image.flip(2), image.flip(3)], dim=1)
    windows = [(x[..., i : i + 11]) for i in (0, 1) for x in (image, sources)]
    scores = [fusion_quality(*windows[2 * i : 2 * i + 2]).item() for i in (0, 1)]
    profile = torch.exp(-((torch.arange(11.0) - 5) ** 2) / 4.5)
    weights = torch.outer(profile, profile).double() / profile.sum().double() ** 2
    salience = []
    for i in (0, 1):
        x = sources[..., i : i + 11].double()
        mean = (weights * x).sum(dim=(-2, -1), keepdim=True)
        salience.append((weights * (x - mean) ** 2).sum(dim=(-2, -1)).max().item())
    expected = sum(c * s for c, s in zip(salience, scores, strict=True)) / sum(salience)
    assert weighted_fusion_quality(image, sources).item() == pytest.approx(expected)


def test_the_edge_quality_is_a_product(noise):
    sources = torch.stack([noise.flip(0), noise.flip(2)], dim=1)
    factor = weighted_fusion_quality(noise, sources)
    edges = weighted_fusion_quality(prewitt(noise), prewitt(sources))
    torch.testing.assert_close(edge_fusion_quality(noise, sources), factor * edges)


def test_prewitt_of_a_step_and_a_dot():
    step = torch.tensor([0.0, 0.0, 6.0, 6.0]).expand(1, 1, 3, 4)
    assert prewitt(step)[0, 0, 1].tolist() == [0, 18, 18, 18]  # the last one against the zeros
    dot = torch.zeros(1, 1, 3, 3)
    dot[..., 1, 1] = 5
    corner = 50**0.5
    assert prewitt(dot)[0, 0].tolist() == [
        pytest.approx(row) for row in ([corner, 5, corner], [5, 0, 5], [corner, 5, corner])
    ]


@pytest.mark.parametrize("metric", [FusionQuality, WeightedFusionQuality, EdgeFusionQuality])
def test_order_batch_precision_and_layout_do_not_matter(metric, noise):
    noise = noise.round()
    sources = torch.stack([noise.flip(0), noise.flip(2)], dim=1)
    for convention in metric.conventions:
        score = metric(convention).score
        value = score(noise, sources)
        assert torch.equal(score(noise, sources.flip(1)), value)
        assert torch.equal(score(noise.double(), sources.double()), value)
        assert torch.equal(score(noise.mT.contiguous().mT, sources), value)
        members = [score(noise[i : i + 1], sources[i : i + 1]) for i in range(3)]
        assert torch.equal(torch.cat(members), value)


@pytest.mark.parametrize("metric", [FusionQuality, WeightedFusionQuality, EdgeFusionQuality])
def test_three_identical_sources_score_1(metric, noise):
    threefold = noise[:, None].expand(-1, 3, -1, -1, -1)
    assert metric().score(noise, threefold).tolist() == pytest.approx([1, 1, 1])


def test_an_unknown_option_lists_the_known_ones(noise):
    with pytest.raises(ValueError, match="flat_windows must be one of even, rounding, got odd"):
        fusion_quality(noise, noise[:, None], flat_windows="odd")
    assert similarity_map(noise, noise[:, None]).shape == (3, 1, 1, 4, 3)
