import pytest
import torch

from fusionlab.data.opening import open_data
from fusionlab.settings import Data
from replication.experiments import SETTINGS, MiddleDataset, Weights, experiments

from ..conftest import write_pairs

OWN = Weights("own", "bundled")


def named(root, name, **options):
    (dataset,) = open_data(Data(root=str(write_pairs(root, **options))))
    dataset.name = name
    return dataset


@pytest.mark.parametrize(
    ("name", "options", "claims"),
    [
        ("MRI-CT", {"sources": ("MRI", "CT")}, {"tables", "times"}),
        ("Savic", {"sources": ("near", "far", "gt")}, {"tables"}),  # in colour: no times
        ("TNO", {}, {"tables", "noise", "masking and contrast", "times"}),
        (
            "MSRS",
            {"names": ("1D", "2D", "3N", "4N", "day", "N")},
            {"tables", "masking and contrast", "time of day", "times"},
        ),
        ("MSRS", {"names": ("1D", "2d", "3N", "4N")}, {"tables", "masking and contrast", "times"}),
    ],
)
def test_data_are_measured_for_the_claims_that_they_can_tell_of(tmp_path, name, options, claims):
    dataset = named(tmp_path / "data", name, **options)
    assert {one.claim for one in experiments([OWN], [dataset])} == claims


def test_settings_are_those_of_the_rows_beside_the_data(tmp_path):
    plan = experiments([OWN], [named(tmp_path / "a", "TNO"), named(tmp_path / "b", "MSRS")])
    tables = {one.dataset.name: list(one.settings) for one in plan if one.claim == "tables"}
    assert set(tables["TNO"]) == set(SETTINGS)
    forms = {"linear", "sigmoid", "no normalisation", "proportional"}
    assert set(tables["TNO"]) - set(tables["MSRS"]) == forms


def test_conditions_are_those_of_the_paper(tmp_path):
    dataset = named(tmp_path / "data", "TNO")
    benches = {one.claim: one.bench() for one in experiments([OWN], [dataset])}
    levels = sorted({one.level for one in benches["noise"].conditions})
    assert levels == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert [one.name for one in benches["masking and contrast"].conditions] == [
        "clean",
        "mask 4 of vi",
        "mask 4 of ir",
        "contrast 1",
        "contrast 3",
        "contrast 5",
    ]


def test_the_middle_of_a_large_image_is_probed(tmp_path):
    dataset = named(tmp_path / "data", "TNO", size=(12, 17))
    middle = MiddleDataset(dataset, 8)
    (whole, _), (part, _) = dataset.images(1), middle.images(1)
    assert middle.sizes == [(8, 8)] * 2
    assert torch.equal(part[0], whole[0][:, 2:10, 4:12])
    assert [image.shape for image in MiddleDataset(dataset, 99).images(0)[0]] == [(1, 12, 17)] * 2


def test_given_weights_see_colours_normalised(shared):
    authors = Weights("IFCNN-MAX", str(shared / "weights" / "ifcnn" / "IFCNN-MAX.pth"))
    for weights, task, normalised in ((authors, "mff", True), (authors, "vif", False)):
        assert (weights.open(task).mean.max() > 0) == normalised
    assert OWN.open("mff").mean.max() == 0
