import csv
from dataclasses import replace

import numpy as np
import pytest

from fusionlab.data.dataset import open_folder
from fusionlab.laboratory.conditions import PartialDataset, with_parameter_noise
from fusionlab.laboratory.outcome import Measure, Outcome
from fusionlab.laboratory.replication.claims import Claim, noise_claims
from fusionlab.laboratory.replication.measure import Measured, Measurement
from fusionlab.laboratory.replication.page_noise import growth, noise_section, noise_summary
from fusionlab.laboratory.replication.places import Weights, setting_places
from fusionlab.laboratory.replication.published import load_published
from fusionlab.laboratory.replication.settings import SETTINGS
from fusionlab.laboratory.sweep import sweep
from fusionlab.networks import IFCNN
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.report.table import number
from fusionlab.settings import Data

from ..conftest import write_pairs

PAPER = {"paper": SETTINGS["paper"]}
METRICS = ["EN", "SD", "AG", "EI", "SF", "SCD", "CE"]


def test_every_image_has_its_own_draw(tmp_path):
    pairs = write_pairs(tmp_path / "pairs")
    dataset = open_folder(Data(root=str(pairs)), IFCNN.rgb_tasks, IFCNN.channels)
    measurement = Measurement(tmp_path / "values")
    own = Weights(BUNDLED, BUNDLED)
    found = measurement.score_noisy(own, dataset, PAPER, 0.3).outcome
    network = own.network(dataset)
    for index in (0, 1):
        noisy = with_parameter_noise(network, 0.3, seed=index)
        alone = PartialDataset(dataset, [index])
        static, paper = sweep(noisy, alone, PAPER, measurement.scorer)
        assert found.values["static"][index].tolist() == pytest.approx(static.values, nan_ok=True)
        assert found.values["paper"][index].tolist() == pytest.approx(paper.values, nan_ok=True)
    clean = measurement.score(own, dataset, PAPER).outcome
    assert not np.allclose(clean.values["static"][:, 2:], found.values["static"][:, 2:], rtol=1e-3)


def test_the_short_table_is_worked_out_from_the_values_per_image(replicated):
    results, root = replicated
    with (root / "values" / "noise.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["level"] == "0.5"]
    means = [
        np.mean([float(line["SD"]) for line in lines if line["setting"] == setting])
        for setting in setting_places(PAPER).values()
    ]
    text = noise_section(load_published(), results)
    row = next(line for line in text.splitlines() if line.startswith("| 0.5 |"))
    static, ttd = map(number, means)
    difference = number(means[1] - means[0], signed=True)
    assert f"| 30.38 → 35.32 | {static} → {ttd} | +4.94 | {difference} [" in row


def test_level_0_is_what_is_measured_without_noise(replicated):
    results, _ = replicated
    ((place, group),) = noise_claims(load_published(), results.data, results.noise).items()
    assert place == ("IFCNN-MAX", "TNO")
    assert [one.measured.outcome.level for one in group] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert group[0].measured is results.data[1]


def with_difference(level: float, added: list[float]) -> Claim:
    """A claim of a level: to the metrics, 1 everywhere, the preset paper adds this."""
    measures = [Measure(name, name != "CE") for name in METRICS]
    static = np.ones((4, len(METRICS)))
    values = {"static": static, "paper": static + np.array(added)[None]}
    outcome = Outcome("TNO", "vif", "", "", level, 1, list("abcd"), measures, values)
    measured = Measured("ifcnn", "weights", "mean", "paper", outcome)
    return Claim("8", load_published().noise[level], "paper", measured)


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (2.0, "grows too: by +1.000 [+1.000, +1.000]"),
        (0.5, "falls: by −0.500 [−0.500, −0.500]"),
        (1.0, "is not seen to grow: by +0.000 [+0.000, +0.000]"),
    ],
)
def test_growth_compares_the_ends(last, told):
    first = with_difference(0.0, [0, 1.0, 0, 0, 0, 0, 0])
    text = growth([first, with_difference(0.5, [0, last, 0, 0, 0, 0, 0])])
    assert "From noise 0 to 0.5 the published difference in SD goes from +1.24 to +4.94" in text
    assert f"the measured one {told}." in text


def test_growth_needs_its_whole_interval():
    first = with_difference(0.0, [0, 1.0, 0, 0, 0, 0, 0])
    last = with_difference(0.5, [0, 1.0, 0, 0, 0, 0, 0])
    last.measured.outcome.values["paper"][:, 1] += [1, 2, 1, -1]
    assert "is not seen to grow: by +0.750 [" in growth([first, last])


def test_the_summary_counts_levels_and_differences(replicated):
    results, _ = replicated
    published = load_published()
    exact = [
        with_difference(level, table.differences("paper"))
        for level, table in published.noise.items()
    ]
    reversed_ = [
        with_difference(level, [-one for one in table.differences("paper")])
        for level, table in published.noise.items()
    ]
    for group, counts in ((exact, (6, 42, 42)), (reversed_, (0, 0, 0))):
        measured = [one.measured for one in group]
        own = replace(results, data=measured[:1], noise=measured[1:])
        levels, sign, size = counts
        assert noise_summary(published, own) == (
            f"Table 8 (noise on the parameters): {levels} of 6 levels replicated; {sign} of 42 "
            f"differences have the published sign, {size} of these the size too."
        )
