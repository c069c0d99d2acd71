"""Scores as an evaluation gathers them."""

import numpy as np
import pytest

from fusionlab.training.scoreboard import Scores


@pytest.fixture
def scores() -> Scores:
    """Three images, EN, CE and the PSNR to a truth; TTD gains 1 in EN, 2 in CE, loses 1 dB."""
    static = np.array([[1.0, 10.0, 30.0], [2.0, 12.0, 40.0], [3.0, 14.0, 50.0]])
    ttd = static + np.array([1.0, -2.0, -1.0])
    alone = np.array([[5.0, np.nan, 20.0]] * 3)
    return Scores(
        fused_rows=["static", "ttd"],
        source_rows=["vi alone"],
        values={"static": static, "ttd": ttd, "vi alone": alone},
        metrics=["EN", "CE", "PSNR_truth"],
        truth_metrics=["PSNR_truth"],
        higher_is_better={"EN": True, "CE": False, "PSNR_truth": True},
        milliseconds={"static": np.array([900.0, 3.0, 5.0]), "ttd": np.array([9.0, 9.0, 9.0])},
        indices={row: np.arange(3) for row in ("static", "ttd", "vi alone")},
    )
