import math

import pytest
import torch

from fusionlab.metrics.cvejic import CovarianceSimilarity, similarity_by_covariance

DOUBLE = 1e-8  # stored to 10 digits; rounding errors of flat windows are reproduced
FEW = ("v01", "v10", "v22", "v23")  # with and without flat windows
PROGRAMS = {"mefb": "mefb", "zhengliu": "zhengliu", "thfylsty": "zhengliu"}


def check(convention, cases):
    metric = CovarianceSimilarity(convention)
    for case in cases:
        value = metric.score(case.fused, case.sources).item()
        expected = float(case.published["Qc"][PROGRAMS[convention]])
        assert value == pytest.approx(expected, rel=DOUBLE, nan_ok=True), case.name


@pytest.mark.slow
@pytest.mark.parametrize("convention", PROGRAMS)
def test_a_few_real_images_score_as_the_program_says(convention, triples):
    check(convention, [case for case in triples if case.name in FEW])


@pytest.mark.slow
@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    check(convention, triples)


@pytest.mark.slow
@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    # the programs refuse images below 11 x 11, though their window is 7 x 7
    check(convention, [case for case in edge_cases if case.name != "tiny_8x8"])


def test_real_images_have_sane_values_whatever_is_flat(triples):
    for case in triples:
        if case.name in FEW:
            assert 0 < similarity_by_covariance(case.fused, case.sources).item() < 1, case.name


@pytest.fixture
def window():
    """One window of three images: fused (1, 1, 7, 7), sources (1, 2, 1, 7, 7)."""
    images = 255 * torch.rand(3, 7, 7, generator=torch.Generator().manual_seed(8)).double()
    return images[:1, None], images[None, 1:, None]


def statistics(x, y):
    profile = torch.exp(-((torch.arange(7.0).double() - 3) ** 2) / 4.5)
    weights = torch.outer(profile, profile) / profile.sum() ** 2
    mx, my = (weights * x).sum(), (weights * y).sum()
    xx, yy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
    xy = (weights * (x - mx) * (y - my)).sum()
    return xy.item(), (4 * mx * my * xy / (mx**2 + my**2) / (xx + yy)).item()


@pytest.mark.parametrize("sign", [1, -1])
def test_one_window_worked_out(sign, window):
    fused, sources = window
    sources = sources.clone()
    sources[:, 1] = 127.5 + sign * (fused - 127.5) / 2  # covaries with, or against
    (a, quality_a), (b, quality_b) = (statistics(fused[0, 0], x[0]) for x in sources[0])
    weight = min(max(a / (a + b), 0), 1)
    assert similarity_by_covariance(fused, sources).item() == pytest.approx(
        weight * quality_a + (1 - weight) * quality_b
    )


def test_clipping_the_quality_favours_the_first_source(window):
    fused, sources = window
    against = torch.stack([fused, 255 - (fused + sources[:, 0]) / 2], dim=1)
    options = {"outside": "quality"}
    assert similarity_by_covariance(fused, against, **options).item() == 1
    assert similarity_by_covariance(fused, against.flip(1), **options).item() == 0
    proper = similarity_by_covariance(fused, against)
    assert proper.item() == pytest.approx(1)
    torch.testing.assert_close(similarity_by_covariance(fused, against.flip(1)), proper)


def test_flat_parts_do_not_matter():
    image = 255 * torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(9))
    sources = torch.stack([image.flip(2), image.flip(3)], dim=1)
    part = similarity_by_covariance(image, sources)
    flat = [torch.nn.functional.pad(x, (0, 30), value=77.0) for x in (image, *sources.unbind(1))]
    whole = similarity_by_covariance(flat[0], torch.stack(flat[1:], dim=1))
    assert whole.item() != pytest.approx(part.item(), rel=1e-3)  # at the seam
    longer = [torch.nn.functional.pad(x, (0, 9), value=77.0) for x in flat]
    torch.testing.assert_close(
        similarity_by_covariance(longer[0], torch.stack(longer[1:], dim=1)), whole
    )


def test_flat_images_have_no_value(edge_cases):
    for case in edge_cases:
        if case.name.startswith(("constant", "all", "fused")):
            assert math.isnan(similarity_by_covariance(case.fused, case.sources).item()), case.name


def test_order_batch_precision_and_layout_do_not_matter(fused, sources):
    value = similarity_by_covariance(fused, sources)
    assert torch.equal(similarity_by_covariance(fused, sources.flip(1)), value)
    assert torch.equal(similarity_by_covariance(fused.double(), sources.double()), value)
    assert torch.equal(similarity_by_covariance(fused.mT.contiguous().mT, sources), value)
    members = [similarity_by_covariance(fused[i : i + 1], sources[i : i + 1]) for i in range(3)]
    assert torch.equal(torch.cat(members), value)
    twice = fused[:, None].expand(-1, 2, -1, -1, -1)
    assert similarity_by_covariance(fused, twice).tolist() == pytest.approx([1, 1, 1])


def test_other_numbers_of_sources_and_unknown_options_are_refused(fused, sources):
    with pytest.raises(ValueError, match="Qc is defined for two sources, got 1"):
        similarity_by_covariance(fused, sources[:, :1])
    with pytest.raises(ValueError, match="outside must be one of weight, quality, got nothing"):
        similarity_by_covariance(fused, sources, outside="nothing")
    with pytest.raises(ValueError, match=r"flat_windows must be one of left_out, .*, got kept"):
        similarity_by_covariance(fused, sources, flat_windows="kept")
