"""Peak memory, counted by hand."""

import pytest
import torch

from fusionlab.evaluation.api import evaluate
from fusionlab.evaluation.memory import memory_of
from fusionlab.networks.pixelwise import Average
from fusionlab.settings import TTD
from tests.conftest import write_pairs

CPU = torch.device("cpu")
SIZE = 4 * 1000 * 250  # bytes of 1000x250 floats


def test_the_peak_is_what_stands_side_by_side(capfd):
    """Two of four images at one time, one of which is kept, and one that was there before."""
    image, kept = torch.ones(1000, 250), []

    def program() -> None:
        one = image + 1
        two = one * 2  # two
        del one
        kept.append(two + 1)  # two again, then one

    memory = memory_of(program, CPU)
    assert memory is not None
    assert memory.peak == pytest.approx(2 * SIZE, abs=100)
    assert memory.kept == pytest.approx(SIZE, abs=100)
    assert capfd.readouterr().err == "", "the profiler is silent"


def test_a_device_that_is_not_counted_still_runs_the_program():
    ran = []
    assert memory_of(lambda: ran.append(1), torch.device("meta")) is None
    assert ran == [1]


class Wasteful(Average):
    """Takes 20 images more for a moment when it decodes."""

    def decode(self, combined, sources):
        torch.ones(20, 1000, 250).sum()
        return combined


@pytest.mark.slow
def test_the_table_has_the_peak_of_every_method(tmp_path):
    """TTD keeps what it shares with the static network while it decodes."""
    root = write_pairs(tmp_path, names=("01", "02"), size=(1000, 250))
    networks = {"Lean": Average().eval(), "Wasteful": Wasteful().eval()}
    (result,) = evaluate(networks, root, ttd=TTD(), metrics=["EN"])["results"]
    peaks = result["peak_megabytes"]
    assert list(peaks) == ["Lean", "Lean+TTD", "Wasteful", "Wasteful+TTD"]
    more = 20 * SIZE / 1e6
    assert peaks["Lean"] < more
    assert more < peaks["Wasteful"] < peaks["Wasteful+TTD"] < 2 * more
