import math

import numpy as np
import pytest
import torch

from fusionlab.data.batches import collate
from fusionlab.data.dataset import SceneDataset
from fusionlab.metrics import entropy, open_metrics, psnr
from fusionlab.training.scoreboard import Scoreboard


@pytest.fixture(scope="module")
def dataset() -> SceneDataset:
    """Scenes with two and with three sources and a ground truth."""
    return SceneDataset("mff", "luma")


def board_of(dataset, order) -> Scoreboard:
    board = Scoreboard(dataset, ["static"], open_metrics())
    for index in order:
        batch = collate([dataset[index]])
        board.update("static", batch["grey"].amax(1), batch, milliseconds=10.0 * index)
        board.update_sources(batch)
    return board


def test_rows_are_named_after_the_sources_whatever_their_position(dataset):
    scores = board_of(dataset, range(len(dataset))).scores()
    assert set(scores.source_rows) == {"near alone", "middle alone", "far alone"}
    for row in scores.source_rows:
        name = row.removesuffix(" alone")
        own = [k for k, names in enumerate(dataset.source_names) if name in names]
        assert scores.indices[row].tolist() == own
        for k, index in enumerate(own):
            sample = dataset[index]
            source = sample["grey"][dataset.source_names[index].index(name)].float()[None]
            en = scores.metrics.index("EN")
            assert scores.values[row][k, en] == pytest.approx(entropy(source).item())


def test_the_ground_truth_is_what_psnr_compares_with(dataset):
    scores = board_of(dataset, [1]).scores()
    sample = dataset[1]
    expected = psnr(sample["grey"].amax(0)[None].float(), sample["reference"][None].float()).item()
    assert scores.means("static")["PSNR_truth"] == pytest.approx(expected)


def test_order_changes_nothing(dataset):
    one, other = board_of(dataset, [0, 1, 2]).scores(), board_of(dataset, [2, 0, 1]).scores()
    for row in one.values:
        assert np.array_equal(one.values[row], other.values[row], equal_nan=True)
    assert (
        one.milliseconds["static"].tolist() == other.milliseconds["static"].tolist() == [0, 10, 20]
    )


def test_a_metric_that_is_defined_for_no_image_has_no_mean(dataset):
    triple = next(k for k, names in enumerate(dataset.source_names) if len(names) == 3)
    assert math.isnan(board_of(dataset, [triple]).scores().means("static")["SCD"])


@pytest.mark.filterwarnings("ignore:The ``compute`` method")  # rows that saw no image
def test_after_a_reset_nothing_is_left(dataset):
    board = board_of(dataset, [0, 1])
    board.reset()
    board.update("static", torch.zeros_like(dataset[2]["grey"][:1]), collate([dataset[2]]))
    assert board.scores().indices["static"].tolist() == [2]
