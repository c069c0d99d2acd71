import csv
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fusionlab.laboratory.replication.claims import claims, noise_claims
from fusionlab.laboratory.replication.page import page
from fusionlab.laboratory.replication.places import setting_places
from fusionlab.laboratory.replication.published import load_published
from fusionlab.laboratory.replication.settings import GRADIENT_OF_SSIM, PROBED, SETTINGS
from fusionlab.report.table import number

from .conftest import replicate_tiny

ELSEWHERE = ("Sign of", "RD under", "Time", "What is not")  # sections with tests of their own


def test_a_line_of_the_page_is_worked_out_from_the_values_per_image(replicated):
    results, root = replicated
    with (root / "values" / "per_image.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["weights"].startswith("IFCNN-MAX ")]
    text = page(load_published(), results)
    for metric, printed in (("SD", "61.98 | 66.14 | +4.16"), ("CE", "4.72 | 4.63 | −0.09")):
        means = [
            np.mean(
                [
                    float(line[metric])
                    for line in lines
                    if line["setting"] == setting and line["data"].startswith("MRI-CT ")
                ]
            )
            for setting in setting_places({"paper": SETTINGS["paper"]}).values()
        ]
        static, ttd = map(number, means)
        difference = number(means[1] - means[0], signed=True)
        arrow = "↓" if metric == "CE" else "↑"
        assert f"| {metric}{arrow} | {printed} | {static} | {ttd} | {difference} [" in text


def test_every_number_in_tables_comes_from_the_results(replicated):
    results, _ = replicated
    parts = page(load_published(), results).split("\n## ")
    text = "\n".join(part for part in parts if not part.startswith(ELSEWHERE))
    allowed = _published_numbers() | _measured_numbers(results)
    for line in text.splitlines():
        if line.startswith("|") and "---" not in line:
            cells = re.sub(r"IFCNN-MAX|channel 58|\bl1\b|\d+ of \d+|\(\d+ %\)", "", line)
            numbers = re.findall(r"[+−]?\d+(?:\.\d+)?", cells)
            assert [one for one in numbers if one not in allowed] == [], line


def _published_numbers() -> set[str]:
    published = load_published()
    found = set()
    noise = [(f"{level:g}", table) for level, table in published.noise.items()]
    for number_, table in (*published.tables.items(), *noise):
        found |= {number_.strip("ab"), str(table.images)}
        for row, values in (("", table.static), *table.rows.items()):
            found |= {f"{value:.2f}" for value in values}
            if row:
                found |= {f"{one:+.2f}".replace("-", "−") for one in table.differences(row)}
    return found


def _measured_numbers(results) -> set[str]:
    found = {"2", "4"}  # images
    for one in (*results.data, *results.truth, *results.noise):
        values = one.outcome.values
        for label, array in values.items():
            differences = array - values["static"]
            found |= {number(value) for value in array.mean(0)}
            found |= {number(value, signed=True) for value in differences.flat}
            if label == "static":
                continue
            for comparison in one.outcome.against_static[label]:
                parts = (comparison.mean, comparison.low, comparison.high)
                found |= {number(value, signed=True) for value in parts}
                if comparison.images:
                    found.add(f"{100 * comparison.improved:.0f}")
    published = load_published()
    groups = noise_claims(published, results.data, results.noise).values()
    every = [*claims(published, results.data), *(one for group in groups for one in group)]
    return found | {f"{100 * one.static_off:.0f}" for one in every}


def test_static_off_is_the_mean_relative_distance(replicated):
    results, _ = replicated
    table, outcome = load_published().tables["3"], results.data[0].outcome
    names = [one.name for one in outcome.measures]
    found = outcome.values["static"].mean(0)[[names.index(one) for one in table.metrics]]
    (claim,) = claims(load_published(), results.data[:1])
    assert claim.static_off == pytest.approx(np.mean(np.abs(found / table.static - 1)))


def test_the_page_names_what_made_it_but_no_folder(replicated):
    results, root = replicated
    text = page(load_published(), results)
    assert str(root) not in text
    assert "MRI-CT: 2 of 3 images at hand, the first by name" in text
    command = "--data MRI-CT=DIR TNO=DIR \\\n    --weights IFCNN-MAX=FILE \\\n    --limit MRI-CT=2"
    assert command in text
    assert f"SHA-256 {results.weight_hashes['IFCNN-MAX'][:16]}" in text


def test_nothing_published_is_set_against_the_packages_own_weights(replicated):
    results, _ = replicated
    assert {one.weights for one in results.data} == {"IFCNN-MAX"}
    assert {one.weights for one in results.truth} == {"IFCNN-MAX", "bundled"}


def test_values_are_kept(replicated, monkeypatch):
    results, root = replicated
    for network in ("IFCNN", "CDDFuse", "PIAFusion"):
        monkeypatch.setattr(f"fusionlab.networks.{network}.encode", None)  # nothing is fused again
    again = replicate_tiny(root)
    scored = (2 + 4 + 2 * 2) * (1 + len(results.settings))  # MRI-CT, TNO, truth by both weights
    noisy, timed = 5 * 4 * 3, 2 * 4 + 2 * 2 * 2  # levels, images, settings; IFCNN's and fresh ones
    probed = 4 * 4 * (2 + 5)  # images, settings, masks and severities
    assert again.kept == scored + noisy + timed + probed
    first, second = (page(load_published(), one) for one in (results, again))
    kept = f"{again.kept} rows of values were kept from an earlier run."
    assert second.replace(kept, "") == first


def test_values_that_this_run_does_not_use_are_not_counted(replicated, tmp_path):
    _, root = replicated
    for folder in ("medical", "infrared", "truth"):
        (tmp_path / folder).symlink_to(root / folder)
    shutil.copytree(root / "values", tmp_path / "values")
    for path in (tmp_path / "values").iterdir():
        with path.open(newline="", encoding="utf-8") as file:
            heading, *rows = csv.reader(file)
        weights, data, setting = (heading.index(one) for one in ("weights", "data", "setting"))
        with path.open("a", newline="", encoding="utf-8") as file:
            for place, other in ((weights, "IFCNN-MAX 0"), (data, "TNO 0"), (setting, "paper 0")):
                stale = ([*one[:place], other, *one[place + 1 :]] for one in rows)
                csv.writer(file).writerows(stale)
    again, unchanged = replicate_tiny(tmp_path), replicate_tiny(root)
    assert again.kept == unchanged.kept > 0
    assert page(load_published(), again) == page(load_published(), unchanged)


def test_every_setting_that_has_a_row_is_defined(replicated):
    results, _ = replicated
    measured = (*results.data, *results.truth, *results.noise, *results.times)
    labels = {label for one in measured for label in one.outcome.settings}
    labels |= {label for one in results.dominability for label in one.values}
    listed = page(load_published(), results).rpartition("Settings:\n\n")[2].splitlines()
    assert [line.partition(": ")[0] for line in listed if line] == [
        f"- {label}" for label in {**SETTINGS, **PROBED}
    ]
    assert labels <= {*SETTINGS, *PROBED}
    assert GRADIENT_OF_SSIM in labels


def test_settings_that_were_not_probed_are_not_listed(replicated):
    results, _ = replicated
    text = page(load_published(), replace(results, dominability=[]))
    assert GRADIENT_OF_SSIM not in text


def test_claims_know_other_data(replicated):
    results, _ = replicated
    found = claims(load_published(), results.data)
    told = {(one.number, one.measured.outcome.data, one.on_other_data) for one in found}
    others = {(number_, "TNO", True) for number_ in ("1a", "4", "5")}
    assert told == {("3", "MRI-CT", False), *others}
    assert [one.row for one in found if one.number == "5"] == [
        "no normalisation",
        "proportional",
        "paper",
    ]


def test_a_checkpoint_has_its_own_table_of_settings(replicated):
    results, _ = replicated
    text = page(load_published(), results)
    part = text.split("Which settings move the metrics")[1].split("\n## ")[0]
    assert "IFCNN-MAX (max):\n\n| Setting | 1a, TNO | 3, MRI-CT |" in part
    assert len([line for line in part.splitlines() if line.startswith("| ")]) == 1 + len(
        results.settings
    )
