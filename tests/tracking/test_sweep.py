"""docs/wandb_sweep.yaml, a W&B sweep over settings of TTD."""

from itertools import product
from pathlib import Path

import pytest
import yaml

from fusionlab.settings import TTD

SWEEP = yaml.safe_load((Path(__file__).parents[2] / "docs" / "wandb_sweep.yaml").read_text())


def test_every_combination_is_a_setting():
    """W&B itself fills in the command; here only what it will be filled with."""
    names = [name.removeprefix("ttd.") for name in SWEEP["parameters"]]
    assert all(name.startswith("ttd.") for name in SWEEP["parameters"])
    values = [one["values"] for one in SWEEP["parameters"].values()]
    for combination in product(*values):
        TTD(**dict(zip(names, combination, strict=True)))  # raises if it is none
    assert SWEEP["program"] == "evaluate.py"
    assert SWEEP["command"][-1] == "${args}"  # --ttd.loss=l1 and so on


@pytest.mark.slow
def test_what_it_maximises_is_measured(tracked):
    assert SWEEP["metric"]["goal"] == "maximize"
    options = SWEEP["command"][3:-1]
    assert options == ["--data.task=mff", "--ttd.preset=paper"]
    _, _, state, _ = tracked(*options, "--wandb", "offline", "--trainer.limit_test_batches", "1")
    assert SWEEP["metric"]["name"] in state["summary"]
