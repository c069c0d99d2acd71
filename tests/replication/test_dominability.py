from dataclasses import replace

import numpy as np
import pytest

from fusionlab.data.dataset import open_folder
from fusionlab.figures.corruptions import CORRUPTIONS
from fusionlab.figures.probes import Box, dominability, masked_dominability
from fusionlab.laboratory.replication import dominability as module
from fusionlab.laboratory.replication.dominability import (
    Probed,
    contrast_left,
    faded,
    masked,
    probe,
)
from fusionlab.laboratory.replication.measure import Measurement
from fusionlab.laboratory.replication.page_day import day_part
from fusionlab.laboratory.replication.page_dominability import (
    contrast_table,
    dominability_section,
    dominability_summary,
    mask_table,
)
from fusionlab.laboratory.replication.places import Weights, setting_place
from fusionlab.laboratory.replication.published import load_published
from fusionlab.laboratory.replication.settings import PROBED, SETTINGS
from fusionlab.networks import IFCNN
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.settings import Data
from fusionlab.ttd import TestTimeDynamicFusion

from ..conftest import write_pairs

OWN = Weights(BUNDLED, BUNDLED)
AUTHORS = PROBED["authors"]


@pytest.fixture
def pairs(tmp_path):
    """Two pairs of 16x12 pixels."""
    root = write_pairs(tmp_path / "pairs")
    return open_folder(Data(root=str(root), task="vif"), IFCNN.rgb_tasks, IFCNN.channels)


def test_probes_are_those_of_the_figures(tmp_path, pairs):
    settings = {"authors": AUTHORS}
    found = probe(Measurement(tmp_path / "values"), OWN, pairs, settings)
    assert found.sources == ("vi", "ir")
    assert list(found.values) == ["authors", found.default]
    dynamic = TestTimeDynamicFusion(OWN.network(pairs), "authors")
    for index in (0, 1):
        sources = pairs[index]["sources"]
        box = Box(4, 3, 12, 9)  # the middle half of 16x12
        for source in (0, 1):
            inside = masked_dominability(dynamic, sources, source, box).inside
            assert found.values["authors"][masked(source)][index] == pytest.approx(inside)
        whole = dominability(dynamic, sources)[0].mean().item()
        assert found.values["authors"][faded(5)][index, 0] == pytest.approx(whole)


def test_the_middle_of_a_large_image_is_probed(tmp_path, pairs, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 8)
    found = probe(Measurement(tmp_path / "values"), OWN, pairs, {"authors": AUTHORS})
    dynamic = TestTimeDynamicFusion(OWN.network(pairs), "authors")
    middle = pairs[0]["sources"][..., 2:10, 4:12]
    whole = dominability(dynamic, middle)[0].mean().item()
    assert found.values["authors"][faded(1)][0, 0] == pytest.approx(whole)


def test_probes_are_kept_and_go_on(tmp_path, pairs, monkeypatch):
    settings = {"authors": AUTHORS}
    first = probe(Measurement(tmp_path / "values"), OWN, pairs, settings)
    path, kept = tmp_path / "values" / "dominability.csv", setting_place("authors", AUTHORS)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if f"{kept},{pairs.ids[1]}," not in line))
    probed = []
    monkeypatch.setattr(
        module, "masked_dominability", lambda *a: probed.append(a) or masked_dominability(*a)
    )
    measurement = Measurement(tmp_path / "values")
    again = probe(measurement, OWN, pairs, settings)
    assert len(probed) == 2  # two sources of one image at one setting
    assert measurement.kept == 3 * (2 + 5)  # of 2x2 images and settings; masks and severities
    for label, probes in first.values.items():
        for name, values in probes.items():
            assert again.values[label][name] == pytest.approx(values)


def test_the_default_is_kept_under_its_definition(tmp_path, pairs):
    measurement = Measurement(tmp_path / "values")
    found = probe(measurement, OWN, pairs, {})
    places = {
        kept for _, _, kept, _, _ in measurement.dominability.values()
    }  # weights, data, setting
    assert places == {setting_place(found.default, SETTINGS[found.default])}


def made(after: dict[str, float], count: int = 10, default: str = "b") -> Probed:
    """RD is 0.5 before; after, what is given for each setting."""
    names = (masked(0), masked(1), *(faded(step) for step in range(1, 6)))
    values = {
        label: {name: np.array([[0.5, value]] * count) for name in names}
        for label, value in after.items()
    }
    ids = [f"{k}D" for k in range(count)]
    return Probed("weights", "max", default, "TNO", ids, ("vi", "ir"), values)


def test_tables_have_share_change_and_verdict():
    probed = made({"a": 0.25, "b": 0.625})
    cells = "100 % [69, 100] | −0.2500 [−0.2500, −0.2500] | **holds**"
    lines = mask_table([probed]).splitlines()
    assert lines[2] == f"| a | {cells} | {cells} |"
    assert (
        "| b (default) | 0 % [0, 31] | +0.1250 [+0.1250, +0.1250] | **the reverse** |" in lines[3]
    )
    # the same after every severity: lower than before, but not at every step
    lines = contrast_table([probed]).splitlines()
    change = "−0.2500 [−0.2500, −0.2500]"
    assert lines[2] == f"| a | 0.5000 | {change} | 100 % [69, 100] | 0 % [0, 31] | **holds** |"


def with_probed(results, probed):
    names = list(dict.fromkeys(one.weights for one in probed))
    data = [results.data[0]._replace(weights=name) for name in names]
    return replace(results, dominability=probed, data=data)


def test_the_summary_names_what_holds_with_every_checkpoint(replicated):
    results, _ = replicated
    first, second = made({"a": 0.25, "b": 0.25}), made({"a": 0.25, "c": 0.25}, default="c")
    own = with_probed(results, [first, second._replace(weights="others")])
    found = [one.rpartition("for ")[2] for one in dominability_summary(own)[:2]]
    assert found == ["a; default."] * 2
    own = with_probed(results, [first, made({"a": 0.75})._replace(weights="others")])
    found = dominability_summary(own)[:2]
    assert all(one.endswith("it holds for no setting.") for one in found)


def test_without_infrared_data_nothing_is_said_to_hold(replicated):
    results, _ = replicated
    none = replace(results, dominability=[])
    assert "no infrared-visible data at hand" in dominability_section(load_published(), none)
    assert len(dominability_summary(none)) == 1


def test_day_and_night_are_told_by_names(replicated):
    results, _ = replicated
    text = day_part(results)  # 1D, 2D, 3N, 4N
    assert "TNO, IFCNN-MAX:" in text
    rd = results.dominability[0].values["paper"][faded(5)][:, 0]
    assert f"| paper | {rd[:2].mean():.4f} | {rd[2:].mean():.4f} | " in text


def test_a_letter_is_a_time_of_day_only_after_a_digit(replicated):
    results, _ = replicated
    ids = ["00537D", "1d", "00004N", "2n", "wood", "sun", "D", "N", "3D_", "4N.1"]
    text = day_part(with_probed(results, [made({"a": 0.25})._replace(ids=ids)]))
    assert "TNO, weights:" in text  # two of each are enough
    text = day_part(with_probed(results, [made({"a": 0.25})._replace(ids=["1D", *ids[3:], "x"])]))
    assert "TNO: 1 image by day, 1 by night" in text


def test_the_page_takes_from_the_probe_how_far_contrast_fades(replicated, monkeypatch):
    results, _ = replicated
    assert contrast_left() == pytest.approx(1 - 0.19 * 5)
    monkeypatch.setitem(
        CORRUPTIONS, "contrast", lambda image, severity: image * (1 - severity / 10)
    )
    text = " ".join(dominability_section(load_published(), results).split())
    assert "fades in 5 steps to 50 %;" in text


def test_days_alone_are_said_to_be_no_comparison(replicated):
    results, _ = replicated
    text = day_part(with_probed(results, [made({"a": 0.25}, count=3)]))
    assert "**Not measured**" in text
    assert "TNO: 3 images by day, 0 by night" in text


def test_the_summary_of_day_and_night_counts_what_holds(replicated):
    results, _ = replicated
    probed = made({"a": 0.25, "b": 0.25})._replace(ids=[f"{k}{'DN'[k % 2]}" for k in range(10)])
    probed.values["a"][faded(5)][::2, 0] = 0.625  # by day; b stays equal
    own = with_probed(results, [probed])
    assert dominability_summary(own)[2] == (
        "Figure 8 (time of day): holds in 1 of 2 settings and checkpoints."
    )
    alone = with_probed(results, [made({"a": 0.25})])
    assert dominability_summary(alone)[2] == "Figure 8 (time of day): not measured."
