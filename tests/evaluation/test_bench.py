"""What the bench computes, and how often."""

import time
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fusionlab.data.opening import open_data
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions
from fusionlab.evaluation.measure import measure
from fusionlab.evaluation.methods import network_methods
from fusionlab.evaluation.program import describe, finish
from fusionlab.evaluation.scoring import Scorer
from fusionlab.fusing import Fuser
from fusionlab.metrics import open_metrics
from fusionlab.networks import FusionNetwork
from fusionlab.networks.base import scale_features
from fusionlab.runs.files import write_json
from fusionlab.runs.run import SUMMARY
from fusionlab.settings import TTD, Conditions, Data


class Counting(FusionNetwork):
    """The mean of the sources; counts its calls, and is slow where it is told."""

    def __init__(self, encode: float = 0.0, decode: float = 0.0) -> None:
        super().__init__()
        self.seconds = {"encode": encode, "decode": decode}
        self.calls = {"encode": 0, "decode": 0}

    def _called(self, name: str) -> None:
        self.calls[name] += 1
        time.sleep(self.seconds[name])

    def encode(self, sources: Tensor) -> Tensor:
        self._called("encode")
        return sources * 0.9

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        self._called("decode")
        return combined


@pytest.fixture
def run_bench(pairs, tmp_path):
    """Measure a network with settings of TTD; returns the summary."""

    def run(network: FusionNetwork, *settings: TTD, **options):
        datasets = open_data(Data(root=str(pairs)))
        plan = [one for data in datasets for one in conditions(Conditions(), data)]
        scorer = Scorer(open_metrics(names=["EN"]), with_truth=False)
        methods = [network_methods("Net", network.eval(), settings)]
        bench = Bench(methods, [], datasets, plan, scorer, pictures=False, **options)
        about = describe(bench, {}, "evaluate")
        folder = tmp_path / f"run-{time.monotonic_ns()}"
        folder.mkdir()
        write_json(folder / SUMMARY, about)
        about["calibrated"] = [line for _, lines in measure(bench, folder, {}) for line in lines]
        return finish(folder, about)

    return run


def test_forty_settings_encode_each_batch_once(run_bench):
    network = Counting()
    grid = TTD(
        loss=["l1", "mse"],
        form=["exp", "linear"],
        correlation=["negative", "positive"],
        temperature=[1.0, 5.0, 20.0, 50.0, 200.0],
    )
    summary = run_bench(network, grid)
    assert len(summary["results"][0]["differences"]) == 40
    assert network.calls["encode"] == 2 + 1  # two samples, and one that warms up
    assert network.calls["decode"] == 3 * (1 + 1 + 40)  # static, components, every setting


def test_the_first_picture_is_warmed_up_for(run_bench):
    """The first calls of a network take long; no time may hold them."""

    class SlowAtFirst(Counting):
        def encode(self, sources: Tensor) -> Tensor:
            if not self.calls["encode"]:
                time.sleep(0.5)
            return super().encode(sources)

    network = SlowAtFirst()
    times = run_bench(network, TTD())["results"][0]["median_ms_per_image"]
    assert network.calls["encode"] == 3
    assert max(times.values()) < 200  # half of the median of two would be above


def test_the_time_of_ttd_holds_its_share_of_the_encoding(run_bench, monkeypatch):
    """100 ms to encode, 20 to decode: static takes 120; paper decodes the components and fuses;
    structure compares the static picture, which it needs too."""
    clock = [0.0]  # of the network's work alone, whatever else the machine does
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    network = Counting(encode=0.1, decode=0.02)
    summary = run_bench(network, TTD(), TTD(compare="fused", temperature=1.0))
    times = summary["results"][0]["median_ms_per_image"]
    assert times["Net"] == pytest.approx(120, abs=15)
    paper, fused = (times[f"Net+TTD ({name})"] for name in ("components", "fused"))
    assert paper == pytest.approx(140, abs=20)
    assert fused == pytest.approx(140, abs=20)


def test_repeats_take_turns_and_their_median_counts(run_bench, monkeypatch):
    network = Counting(decode=0.001)
    turns = iter([99.0, 99.0, *[5.0, 5.0, 1.0, 1.0, 2.0, 2.0] * 2])  # the first two warm up
    pictures = Fuser.pictures

    def timed(fuser, batch, encoded, *more):
        turn = next(turns)
        return [replace(one, milliseconds=turn) for one in pictures(fuser, batch, encoded, *more)]

    monkeypatch.setattr(Fuser, "pictures", timed)
    summary = run_bench(network, TTD(), repeats=3)
    assert summary["results"][0]["median_ms_per_image"] == {"Net": 2.0, "Net+TTD": 2.0}


def test_what_is_automatic_is_chosen_once_for_a_data_set(run_bench):
    summary = run_bench(Counting(), TTD(temperature="auto"))
    (found,) = summary["calibrated"]
    assert (found["data"], found["method"], found["channel"]) == ("pairs", "Net+TTD", "mean")
    # a tenth over the loss, in which every pixel counts by its own: components are 0.9 x
    datasets = open_data(Data(root=summary["data"][0]["root"]))
    losses = torch.cat([0.1 * datasets[0][k]["sources"].flatten() for k in range(2)]).double()
    expected = 0.1 * losses.sum() / losses.square().sum()
    assert found["temperature"] == pytest.approx(expected.item(), rel=1e-4)
