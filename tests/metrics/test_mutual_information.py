import math

import numpy as np
import pytest
import torch

from fusionlab.metrics.entropy import entropy
from fusionlab.metrics.mutual_information import (
    MutualInformation,
    NormalisedMutualInformation,
    mutual_information,
    normalised_mutual_information,
)

DOUBLE = 1e-8  # stored to 10 digits
MI_PROGRAMS = {
    "vifb": "vifb",
    "linfeng": "linfeng",
    "thfylsty": "thfylsty",
    "jileihou": "jileihou",
    "jileihou_uint8": "jileihou:uint8",
    "cddfuse": "cddfuse_float64",
    "ivif_zoo": "ivif_zoo",
}
NMI_PROGRAMS = {
    "mefb": "mefb",
    "zhengliu": "zhengliu",
    "jileihou": "jileihou",
    "ivif_zoo": "ivif_zoo",
}
NMI_TOLERANCE = 1e-7  # IVIF_ZOO adds 1e-10 to the frequencies and to the divisor
FLAT = {"constant_all_equal_100", "constant_A50_B150_F100", "all_zero", "all_255"}


def image(*levels):
    return torch.tensor(levels, dtype=torch.float64).view(1, 1, 2, 2)


@pytest.mark.parametrize("convention", MI_PROGRAMS)
def test_real_images_share_the_information_that_the_program_says(convention, triples):
    metric = MutualInformation(convention)
    for case in triples:
        if MI_PROGRAMS[convention] in case.published["MI"]:
            expected = case.published["MI"][MI_PROGRAMS[convention]]
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(expected, rel=DOUBLE), case.name


def test_real_images_share_as_many_bits_as_scikit_learn_says(triples):
    for case in triples:
        expected = case.published["MI"]["sklearn:nats(A+B)"] / math.log(2)
        value = mutual_information(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=DOUBLE), case.name


@pytest.mark.parametrize("convention", MI_PROGRAMS)
def test_degenerate_images_share_the_information_that_the_program_says(convention, edge_cases):
    metric = MutualInformation(convention)
    for case in edge_cases:
        expected = case.published["MI"][MI_PROGRAMS[convention]]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=DOUBLE, abs=1e-12), case.name


@pytest.mark.parametrize("convention", NMI_PROGRAMS)
def test_real_images_share_the_part_that_the_program_says(convention, triples):
    metric = NormalisedMutualInformation(convention)
    for case in triples:
        expected = case.published["NMI"][NMI_PROGRAMS[convention]]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=NMI_TOLERANCE), case.name


def test_real_images_share_the_part_that_scikit_learn_says(triples):
    for case in triples:
        published = case.published["NMI"]
        expected = published["sklearn:arithmetic_A"] + published["sklearn:arithmetic_B"]
        value = normalised_mutual_information(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=DOUBLE), case.name


@pytest.mark.parametrize("convention", NMI_PROGRAMS)
def test_degenerate_images_share_the_part_that_the_program_says_or_nothing(convention, edge_cases):
    metric = NormalisedMutualInformation(convention)
    for case in edge_cases:
        expected = case.published["NMI"][NMI_PROGRAMS[convention]]
        if case.name in FLAT:  # the programs divide by 0
            expected = 2 if convention == "jileihou" else 0
        elif isinstance(expected, dict):  # nor can they stretch a single flat image
            assert case.name == "fused_constant_128"
            expected = 0
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=NMI_TOLERANCE, abs=1e-12), case.name


def test_values_worked_out_by_hand():
    fused = image(0, 0, 1, 1)
    sources = torch.stack([image(5, 5, 6, 7), image(0, 9, 0, 9)], dim=1)
    # H(F) = 1, H(A) = 1.5, H(A, F) = 1.5: one bit; B is independent of F
    assert mutual_information(fused, sources).item() == pytest.approx(1)
    assert mutual_information(fused, sources, log_base=math.e).item() == pytest.approx(math.log(2))
    nmi = normalised_mutual_information
    assert nmi(fused, sources).item() == pytest.approx(2 / 2.5)
    assert nmi(fused, sources, normalisation="joint").item() == pytest.approx(2.5 / 1.5 + 1)
    assert nmi(fused, sources, normalisation="sources").item() == pytest.approx(2 * 1 / 2.5)


def test_identical_images_share_their_entropy(fused):
    pair = fused[:, None].expand(-1, 2, -1, -1, -1)
    torch.testing.assert_close(mutual_information(fused, pair), 2 * entropy(fused))
    whole = torch.full((3,), 2.0, dtype=torch.float64)
    torch.testing.assert_close(normalised_mutual_information(fused, pair), whole)


def test_which_level_is_which_does_not_matter(fused, sources):
    torch.testing.assert_close(
        mutual_information(255 - fused, sources), mutual_information(fused, sources)
    )


def test_the_value_is_a_sum_over_any_number_of_sources(fused, sources):
    three = torch.cat([sources, fused[:, None]], dim=1)
    expected = mutual_information(fused, sources) + entropy(fused)
    torch.testing.assert_close(mutual_information(fused, three), expected)


def test_stretching_uses_all_levels_and_rounds_half_up():
    sources = image(10, 11, 11, 12)[:, None]
    fused = image(0, 127, 128, 255)
    # 10 to 12 stretch to 0, 127.5 and 255: the same three levels before and after
    assert mutual_information(fused, sources, stretch=True).item() == pytest.approx(1.5)
    # 0 and 1 of 0 to 510 would share a level; here 100 and 100.4 part, which rounding would join
    fine = image(100, 100.4, 100, 100.4)
    assert mutual_information(fine, fine[:, None], stretch=True).item() == pytest.approx(1)
    assert mutual_information(fine, fine[:, None]).item() == 0


def test_the_top_levels_may_count_as_one():
    fused = image(0, 0, 254, 255)
    pair = fused[:, None]
    assert mutual_information(fused, pair).item() == pytest.approx(1.5)
    assert mutual_information(fused, pair, top_levels="merged").item() == pytest.approx(1)
    in_joint = mutual_information(fused, pair, top_levels="merged_in_joint")
    assert in_joint.item() == pytest.approx(1.5 + 1.5 - 1)


def test_the_number_of_pixels_in_a_batch_does_not_mix(fused, sources):
    value = mutual_information(fused, sources)
    for i in range(3):
        counts, _, _ = np.histogram2d(
            fused[i].numpy().ravel(), sources[i, 0].numpy().ravel(), bins=np.arange(257) - 0.5
        )
        p = counts[counts > 0] / 72
        alone = mutual_information(fused[i : i + 1], sources[i : i + 1, :1]).item()
        sides = entropy(fused[i : i + 1]) + entropy(sources[i : i + 1, 0])
        assert alone == pytest.approx(sides.item() + (p * np.log2(p)).sum())
        assert alone < value[i]


def test_an_unknown_option_is_refused(fused, sources):
    with pytest.raises(ValueError, match="top_levels must be apart, merged or merged_in_joint"):
        mutual_information(fused, sources, top_levels="joined")
    with pytest.raises(ValueError, match="log_base must be positive and not 1, got 1"):
        mutual_information(fused, sources, log_base=1)
    with pytest.raises(ValueError, match="normalisation must be arithmetic, joint or sources"):
        normalised_mutual_information(fused, sources, normalisation="max")


def test_a_value_outside_8_bits_is_refused(fused, sources):
    with pytest.raises(ValueError, match=r"fused must lie in \[0, 255\]"):
        mutual_information(fused - 300, sources)
    with pytest.raises(ValueError, match=r"sources must lie in \[0, 255\]"):
        normalised_mutual_information(fused, sources + 300)


@pytest.mark.parametrize(
    ("metric", "convention"),
    [
        (metric, convention)
        for metric in (MutualInformation, NormalisedMutualInformation)
        for convention in metric.conventions
    ],
)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    metric, convention, fused, sources
):
    score = metric(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    assert torch.equal(torch.cat(members), value)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
