import math

import numpy as np
import pytest
import torch

from fusionlab.metrics.mutual_information import mutual_information
from fusionlab.metrics.tsallis import CVEJIC, TsallisEntropy, tsallis_entropy
from tests.metrics.conftest import black

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 4e-7
PROGRAMS = {
    "mefb": ("mefb", DOUBLE),
    "zhengliu": ("zhengliu", DOUBLE),
    "zhengliu_nava": ("zhengliu:Nava", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = TsallisEntropy(convention)
    for case in triples:
        if key in case.published["TE"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["TE"][key], rel=tolerance), case.name


FLAT = {"constant_all_equal_100", "constant_A50_B150_F100", "all_zero", "all_255"}


def by_definition(x, f, q):
    """Tsallis mutual information of two images, cell by cell."""
    x, f = x.numpy().ravel(), f.numpy().ravel()
    total = 0
    for i in np.unique(x):
        for j in np.unique(f):
            p = np.mean((x == i) & (f == j))
            total += p**q / (np.mean(x == i) * np.mean(f == j)) ** (q - 1)
    return (1 - total) / (1 - q)


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says_or_as_documented(convention, edge_cases):
    key, usual_tolerance = PROGRAMS[convention]
    metric = TsallisEntropy(convention)
    published = {case.name: case.published["TE"][key] for case in edge_cases}
    if isinstance(published["fused_constant_128"], dict):  # which the program cannot stretch
        published["fused_constant_128"] = published["fused_all_zero"]
    for case in edge_cases:
        expected = 0 if case.name in FLAT else published[case.name]
        tolerance = usual_tolerance
        if (convention, case.name) == ("zhengliu_nava", "A_constant_zero"):
            tolerance = 1e-7  # the entropy of the flat source is 1e-16 there, and its power 1e-7
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


@pytest.mark.slow
def test_small_images_score_as_the_definition_says(fused, sources):
    value = tsallis_entropy(fused, sources)
    for i in range(3):
        a, b = (by_definition(source, fused[i], CVEJIC) for source in sources[i])
        assert value[i].item() == pytest.approx(a + b, rel=1e-12)


def test_values_worked_out_by_hand():
    fused = torch.tensor([0.0, 0.0, 9.0, 9.0]).view(1, 1, 2, 2)
    same, independent = fused, torch.tensor([0.0, 9.0, 0.0, 9.0]).view(1, 1, 2, 2)
    pair = torch.stack([same, independent], dim=1)
    # two cells of 1/2 whose marginals multiply to 1/4: Σ = 2 (1/2)^2 / (1/4) = 2
    assert tsallis_entropy(fused, pair, q=2).item() == pytest.approx(1)
    # I(A, F) = 1, the others 0, H(A) = H(B) = 1 bit
    assert tsallis_entropy(fused, pair, q=2, variant="normalised").item() == pytest.approx(1 / 2)
    assert tsallis_entropy(fused, pair, q=2, variant="entropies").item() == pytest.approx(1 / 2)
    assert tsallis_entropy(fused, pair, q=1, variant="entropies").item() == pytest.approx(1)


def test_near_order_1_it_is_shannons_mutual_information(fused, sources):
    nats = mutual_information(fused, sources, log_base=math.e)
    value = tsallis_entropy(fused, sources, q=1 + 1e-7)
    torch.testing.assert_close(value, nats, rtol=1e-5, atol=0)


def test_transposed_marginals_do_not_matter_if_both_are_alike():
    image = torch.tensor([0.0, 1.0, 2.0, 3.0]).view(1, 1, 2, 2)
    pair = torch.stack([image.mT, image], dim=1)
    own = tsallis_entropy(image, pair)
    torch.testing.assert_close(tsallis_entropy(image, pair, marginals="transposed"), own)


def test_transposed_marginals_can_make_it_negative(edge_cases):
    case = black(edge_cases)
    assert tsallis_entropy(case.fused, case.sources).item() == pytest.approx(0, abs=1e-12)
    assert tsallis_entropy(case.fused, case.sources, marginals="transposed").item() < -2


def test_it_is_a_sum_over_any_number_of_sources_but_normalised_for_two(fused, sources):
    three = torch.cat([sources, sources[:, :1]], dim=1)
    alone = tsallis_entropy(fused, sources[:, :1])
    expected = tsallis_entropy(fused, sources) + alone
    torch.testing.assert_close(tsallis_entropy(fused, three), expected)
    with pytest.raises(ValueError, match="normalised TE is defined for two sources, got 3"):
        tsallis_entropy(fused, three, variant="normalised")


def test_an_unknown_option_is_refused(fused, sources):
    with pytest.raises(ValueError, match="variant must be sum, normalised or entropies"):
        tsallis_entropy(fused, sources, variant="nava")
    with pytest.raises(ValueError, match="marginals must be own or transposed"):
        tsallis_entropy(fused, sources, marginals="swapped")
    with pytest.raises(ValueError, match="marginals must be own for the variant entropies"):
        tsallis_entropy(fused, sources, variant="entropies", marginals="transposed")
    for q in (0, 1, -2, math.nan):
        with pytest.raises(ValueError, match="q must be positive and, but for entropies, not 1"):
            tsallis_entropy(fused, sources, q=q)


@pytest.mark.parametrize("convention", TsallisEntropy.conventions)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    convention, fused, sources
):
    score = TsallisEntropy(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    assert torch.equal(torch.cat(members), value)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
