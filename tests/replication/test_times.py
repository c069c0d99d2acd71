from dataclasses import replace

import numpy as np
import pytest

from fusionlab.laboratory.outcome import Outcome
from fusionlab.laboratory.replication.measure import Measured
from fusionlab.laboratory.replication.page_times import ratio_table, ratios, times_summary
from fusionlab.laboratory.replication.published import load_published
from fusionlab.laboratory.times import TIMES


def timed(network: str, weights: str, *ratios_: float) -> Measured:
    """One second static, and these ratios with the preset paper."""
    static = np.column_stack([np.ones(len(ratios_)), np.ones(len(ratios_))])
    values = {"static": static, "paper": static * np.array(ratios_)[:, None]}
    ids = [str(k) for k in range(len(ratios_))]
    outcome = Outcome("MRI-CT", "mif", "", "", 0.0, 1, ids, TIMES, values)
    return Measured(network, weights, "", "paper", outcome)


@pytest.fixture
def times() -> list[Measured]:
    """CDDFuse as published, PIAFusion slower than its static network by less, IFCNN."""
    own = [timed("cddfuse", "fresh", 1.6, 1.62), timed("piafusion", "fresh", 1.2, 1.3)]
    return [*own, timed("ifcnn", "IFCNN-MAX", 1.5, 2.5)]


def test_a_ratio_is_set_beside_that_of_its_network(times):
    told = [(one.network, one.measured.weights) for one in ratios(load_published(), times)]
    assert told == [
        ("CDDFuse", "fresh"),
        ("PIAFusion", "fresh"),
        ("IFCNN", "IFCNN-MAX"),
        ("IFCNN", "IFCNN-MAX"),  # as printed, and as the text says
    ]


def test_verdicts_of_ratios_are_of_what_ttd_adds(times):
    found = ratios(load_published(), times)
    assert [one.verdict for one in found] == [
        "replicated",
        "sign only",
        "not replicated",  # printed as faster than static
        "replicated",  # about twice
    ]


def test_the_table_has_both_ratios_and_their_difference(times):
    text = ratio_table(ratios(load_published(), times))
    place = "fresh | MRI-CT, 2 images | 1.61 [1.60, 1.62] | +0.001 | **replicated** |"
    assert f"| CDDFuse | 1.1 s to 1.77 s | 1.61 | {place}" in text
    assert "| IFCNN | 0.006 s to 0.0013 s | 0.22 | IFCNN-MAX | MRI-CT, 2 images | 2.00 [" in text
    assert "| IFCNN | in words: about 2 times | 2.00 | IFCNN-MAX |" in text


def test_the_summary_counts_ratios(replicated, times):
    results, _ = replicated
    own = replace(results, times=times)
    assert "of 4 ratios, 3 have the published sign, 2 of these" in times_summary(
        load_published(), own
    )
