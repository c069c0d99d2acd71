"""The papers of what was run."""

import pytest
from PIL import Image

from fusionlab.citing import metric_paper, network_paper, objective_paper, papers, papers_of_run
from fusionlab.cli.fuse import main as fuse
from fusionlab.cli.networks import main as networks
from fusionlab.data.manifest_files import list_manifests, load_manifest
from fusionlab.registry import METRICS, NETWORKS, OBJECTIVES


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


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_an_objective_of_a_network_has_its_paper(name):
    found = objective_paper(name)
    if name in NETWORKS and NETWORKS[name].paper:
        author = NETWORKS[name].paper.split()[0]
        assert found.startswith(author)
    ours = {"synthetic_pairs", "detect", "segment"}
    assert bool(found) == (name not in ours)


@pytest.mark.parametrize("name", list_manifests())
def test_every_data_set_has_one(name):
    assert load_manifest(name).paper


def test_a_training_on_a_named_set_says_what_it_learned_by():
    network = {"network": {"name": "densefuse"}}
    about = {
        "job": "train",
        "methods": [{"kind": "network", "facts": network}],
        "metrics": {},
        "settings": {"network": {"name": "densefuse"}, "training": {"objective": None}},
        "data": [{"manifest": {"name": "lytro"}}, {"manifest": None}, {}],
    }
    found = papers_of_run(about)
    assert [name for name, _ in found] == ["DenseFuse", load_manifest("lytro").title]
    about["settings"]["training"]["objective"] = "defusion"
    assert [name for name, _ in papers_of_run(about)][1] == "defusion"


def test_fuse_and_networks_print_them(tmp_path, capsys):
    for name in ("vi", "ir"):
        Image.new("L", (16, 16), 90).save(tmp_path / f"{name}.png")
    pair = [str(tmp_path / f"{name}.png") for name in ("vi", "ir")]
    fuse([*pair, "-o", str(tmp_path / "fused.png"), "--ttd", "--cite", "--network.name", "ifcnn"])
    said = capsys.readouterr().out
    assert f"\nCite:\nIFCNN: {network_paper('ifcnn')}\nTTD: Cao" in said
    networks(["export", "ifcnn", str(tmp_path / "a.safetensors"), "--cite"])
    assert capsys.readouterr().out.endswith(f"\nCite:\nIFCNN: {network_paper('ifcnn')}\n")
    networks(["list", "--cite"])
    assert f"U2Fusion: {network_paper('u2fusion')}" in capsys.readouterr().out
