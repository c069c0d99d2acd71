import math

import pytest
import torch

from fusionlab.metrics.yang import AgreementSimilarity, similarity_by_agreement
from tests.metrics.test_cvejic import statistics

DOUBLE = 1e-8  # stored to 10 digits; rounding errors of flat windows are reproduced
FEW = ("v01", "v10", "v22", "v23")  # with and without flat windows
PROGRAMS = {
    "mefb": "mefb",
    "zhengliu": "zhengliu",
    "thfylsty": "zhengliu",
    "ivif_zoo": "ivif_zoo",
}


def check(convention, cases):
    metric = AgreementSimilarity(convention)
    for case in cases:
        value = metric.score(case.fused, case.sources).item()
        expected = float(case.published["Qy"][PROGRAMS[convention]])
        assert value == pytest.approx(expected, rel=DOUBLE, abs=1e-15, nan_ok=True), case.name


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
    # the MATLAB programs refuse images below 11 x 11, though their window is 7 x 7
    is_matlab = convention != "ivif_zoo"
    check(convention, [c for c in edge_cases if not (is_matlab and c.name == "tiny_8x8")])


def test_without_flat_windows_the_paper_is_mefb(triples):
    for case in triples:
        if case.name in ("v01", "v14"):
            value = similarity_by_agreement(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["Qy"]["mefb"], rel=1e-5), case.name


@pytest.fixture
def window():
    """One window of three images: fused (1, 1, 7, 7), sources (1, 2, 1, 7, 7)."""
    images = 255 * torch.rand(3, 7, 7, generator=torch.Generator().manual_seed(8)).double()
    return images[:1, None], images[None, 1:, None]


def test_where_the_sources_disagree_the_better_one_counts(window):
    fused, sources = window
    qualities = [statistics(fused[0, 0], source[0])[1] for source in sources[0]]
    assert similarity_by_agreement(fused, sources).item() == pytest.approx(max(qualities))


def test_where_the_sources_agree_they_are_weighted_by_their_variance(window):
    fused, sources = window
    sources = torch.stack([sources[:, 0], sources[:, 0] * 0.8], dim=1)  # Q0 (40 / 41)²
    first, second = (statistics(fused[0, 0], source[0])[1] for source in sources[0])
    expected = (first + 0.64 * second) / 1.64
    assert similarity_by_agreement(fused, sources).item() == pytest.approx(expected)


def test_flat_sources_have_no_value_but_a_flat_fused_image_has(edge_cases):
    for case in edge_cases:
        value = similarity_by_agreement(case.fused, case.sources).item()
        if case.name.startswith(("constant", "all")):
            assert math.isnan(value), case.name
        elif case.name.startswith("fused"):
            assert value == pytest.approx(0, abs=1e-15), case.name


def test_order_batch_precision_and_layout_do_not_matter(fused, sources):
    value = similarity_by_agreement(fused, sources)
    assert torch.equal(similarity_by_agreement(fused, sources.flip(1)), value)
    assert torch.equal(similarity_by_agreement(fused.double(), sources.double()), value)
    assert torch.equal(similarity_by_agreement(fused.mT.contiguous().mT, sources), value)
    members = [similarity_by_agreement(fused[i : i + 1], sources[i : i + 1]) for i in range(3)]
    assert torch.equal(torch.cat(members), value)
    twice = fused[:, None].expand(-1, 2, -1, -1, -1)
    assert similarity_by_agreement(fused, twice).tolist() == pytest.approx([1, 1, 1])


def test_other_numbers_of_sources_and_unknown_options_are_refused(fused, sources):
    with pytest.raises(ValueError, match="Qy is defined for two sources, got 3"):
        similarity_by_agreement(fused, torch.cat([sources, sources[:, :1]], dim=1))
    with pytest.raises(ValueError, match=r"flat_windows must be one of left_out, .*, got kept"):
        similarity_by_agreement(fused, sources, flat_windows="kept")
