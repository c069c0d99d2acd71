"""The papers of what was run."""

import pytest

from fusionlab.citing import metric_paper, network_paper, papers, papers_of_run
from fusionlab.registry import METRICS, NETWORKS


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_of_a_paper_has_one(name):
    assert bool(network_paper(name)) == bool(NETWORKS[name].paper)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_one(name):
    assert metric_paper(METRICS[name])


def test_the_paper_is_that_of_the_file():
    doi = "https://doi.org/10.1016/j.inffus.2019.07.011"
    assert network_paper("ifcnn") == f"Zhang et al., Information Fusion 54, 2020, {doi}"


def test_each_once_and_ttd_if_it_was_run():
    found = papers(["ifcnn", "average", "ifcnn"], ["SF", "SF:mefb", "PSNR_truth"], ttd=True)
    assert [name for name, _ in found] == ["IFCNN", "TTD", "SF"]
    assert "TTD" not in dict(papers(["ifcnn"], [], ttd=False))


def test_a_run_says_what_was_run():
    network = {"network": {"name": "densefuse"}}
    methods = [
        {"kind": "source", "facts": {}},
        {"kind": "network", "facts": network},
        {"kind": "ttd", "facts": network},
        {"kind": "network", "facts": {"network": {"name": "a plug-in's"}}},
    ]
    found = papers_of_run({"methods": methods, "metrics": {"EN": {}}})
    assert [name for name, _ in found] == ["DenseFuse", "TTD", "EN"]
