from itertools import product
from pathlib import Path

import yaml

from fusionlab.settings import TTD

SWEEP = Path(__file__).parents[2] / "docs" / "wandb_sweep.yaml"


def test_every_combination_is_a_setting():
    """W&B itself fills in the command; here only what it will be filled with."""
    sweep = yaml.safe_load(SWEEP.read_text())
    names = [name.removeprefix("ttd.") for name in sweep["parameters"]]
    assert all(name.startswith("ttd.") for name in sweep["parameters"])
    values = [one["values"] for one in sweep["parameters"].values()]
    for combination in product(*values):
        TTD(**dict(zip(names, combination, strict=True)))  # raises if it is none
    assert sweep["program"] == "evaluate.py"
    assert sweep["command"][-1] == "${args}"  # --ttd.loss=l1 and so on
    assert sweep["metric"] == {"name": "test/mff/ttd/PSNR_truth", "goal": "maximize"}
