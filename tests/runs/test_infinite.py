"""An infinite value is counted and told, and no mean of many."""

import math

import numpy as np

from fusionlab.report.table import infinite_lines
from fusionlab.runs.statistics import finite_mean
from fusionlab.runs.summary import _counted, _infinite


def test_a_mean_is_over_finite_values():
    assert finite_mean(np.array([10.0, math.inf, 20.0, math.nan])) == 15
    assert finite_mean(np.array([math.inf, math.inf])) == math.inf
    assert math.isnan(finite_mean(np.array([math.nan])))


def test_infinite_values_are_counted_and_told():
    table = {
        "IFCNN": {"PSNR": np.array([math.inf, 30.0, math.nan]), "EN": np.array([1.0, 2.0, 3.0])},
        "vi alone": {"PSNR": np.array([math.inf, math.inf, 31.0]), "EN": np.ones(3)},
        "copy": {"PSNR": np.full(3, math.inf), "EN": np.ones(3)},
    }
    assert _counted(table["IFCNN"]["PSNR"]) == 1
    assert _counted(np.array([math.inf, math.nan])) == 1
    found = _infinite(table, ["00", "01", "02"])
    all_of_it = {"PSNR": ["00", "01", "02"]}  # its mean is infinite, which the table shows
    assert found == {
        "IFCNN": {"PSNR": ["00"]},
        "vi alone": {"PSNR": ["00", "01"]},
        "copy": all_of_it,
    }
    means = {
        name: {metric: finite_mean(values) for metric, values in own.items()}
        for name, own in table.items()
    }
    (line,) = infinite_lines({"infinite": found, "means": means}, ["PSNR", "EN"])
    assert line == ("PSNR is infinite, and not in the mean, for 00, 01 (IFCNN, vi alone)")
