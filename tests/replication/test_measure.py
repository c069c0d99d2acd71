import csv

import numpy as np
import pytest

from fusionlab.data.dataset import open_folder
from fusionlab.laboratory.replication.dominability import probe
from fusionlab.laboratory.replication.measure import Measurement
from fusionlab.laboratory.replication.places import Weights, first, setting_place
from fusionlab.networks import IFCNN
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.settings import TTD, Data

from ..conftest import write_pairs

OWN = Weights(BUNDLED, BUNDLED)
FIRST, SECOND = TTD("paper"), TTD("authors")
MEASURES = {
    "per_image.csv": Measurement.score,
    "noise.csv": lambda *arguments: Measurement.score_noisy(*arguments, 0.3),
    "times.csv": Measurement.time,
    "dominability.csv": probe,
}


@pytest.fixture
def pairs(tmp_path):
    """Two pairs of 16x12 pixels."""
    root = write_pairs(tmp_path / "pairs")
    return open_folder(Data(root=str(root), task="vif"), IFCNN.rgb_tasks, IFCNN.channels)


@pytest.mark.parametrize("name", MEASURES)
def test_another_definition_under_the_same_label_is_measured_again(tmp_path, pairs, name):
    for ttd in (FIRST, SECOND, FIRST):
        MEASURES[name](Measurement(tmp_path / "values"), OWN, pairs, {"own": ttd})
    with (tmp_path / "values" / name).open(newline="") as file:
        rows = [(line["setting"], line["id"], line.get("probe")) for line in csv.DictReader(file)]
    assert len(rows) == len(set(rows))  # the first definition's are not measured twice
    of_own = {place for place, _, _ in rows if place.startswith("own")}
    assert of_own == {setting_place("own", ttd) for ttd in (FIRST, SECOND)}


def test_another_definition_has_its_own_values(tmp_path, pairs):
    Measurement(tmp_path / "values").score(OWN, pairs, {"own": FIRST})
    again, alone = Measurement(tmp_path / "values"), Measurement(tmp_path / "others")
    found, expected = (one.score(OWN, pairs, {"own": SECOND}).outcome for one in (again, alone))
    for label in ("static", "own"):
        np.testing.assert_allclose(found.values[label], expected.values[label])
    assert again.kept == 2  # static, of two images
    assert alone.kept == 0


def test_images_that_are_not_used_are_not_counted(tmp_path, pairs):
    Measurement(tmp_path / "values").score(OWN, pairs, {"own": FIRST})
    again = Measurement(tmp_path / "values")
    again.score(OWN, first(pairs, 1), {"own": FIRST})
    assert again.kept == 2  # static and its own, of one image
