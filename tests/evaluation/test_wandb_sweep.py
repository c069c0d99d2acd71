from itertools import product
from pathlib import Path

import pytest
import yaml

from fusionlab.settings import TTD
from fusionlab.tracking.evaluation import summary_values


@pytest.fixture
def sweep():
    """The sweep that the documentation recommends."""
    path = Path(__file__).parents[2] / "docs" / "wandb_sweep.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_combination_is_a_setting(sweep):
    """W&B itself fills in the command; here only what it will be filled with."""
    names = [name.removeprefix("ttd.") for name in sweep["parameters"]]
    assert all(name.startswith("ttd.") for name in sweep["parameters"])
    values = [one["values"] for one in sweep["parameters"].values()]
    for combination in product(*values):
        TTD(**dict(zip(names, combination, strict=True)))  # raises if it is none


@pytest.mark.slow
def test_the_command_logs_the_metric(sweep, run_evaluate):
    """As W&B fills it in: ``/usr/bin/env fusionlab evaluate ... --ttd.loss=mse``."""
    environment, program, command, *options, arguments = sweep["command"]
    assert (environment, program, arguments) == ("${env}", "${program}", "${args}")
    assert (sweep["program"], command) == ("fusionlab", "evaluate")
    chosen = [f"--{name}={one['values'][0]}" for name, one in sweep["parameters"].items()]
    _, about = run_evaluate(*options, *chosen, "--trainer.limit_test_batches", "1")
    assert sweep["metric"]["goal"] == "maximize"
    assert sweep["metric"]["name"] in summary_values(about)
