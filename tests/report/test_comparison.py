from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import wilcoxon

from fusionlab.report.comparison import MethodScores, comparison_tables, summary

UP, DOWN, ZERO = (SimpleNamespace(higher_is_better=way) for way in (True, False, None))


def method_scores(values, metrics) -> MethodScores:
    """Methods a, b, … of values (L, N, K)."""
    values = np.array(values, dtype=float)
    ids = [f"{k:02}" for k in range(values.shape[1])]
    return MethodScores(list("abcdef")[: len(values)], ids, metrics, values)


def test_ranks_by_hand():
    """Two methods, three images; up, down and best at 0."""
    a = [[3, 3, -0.1], [3, 3, 0.3], [1, 1, 0.0]]
    b = [[2, 2, 0.2], [3, 3, 0.2], [2, 2, -0.4]]
    scores = method_scores([a, b], {"EN": UP, "CE": DOWN, "QSF": ZERO})
    ranks = [[(1 + 1.5 + 2) / 3, (2 + 1.5 + 1) / 3, (1 + 2 + 1) / 3]]
    ranks.append([3 - rank for rank in ranks[0]])
    assert scores.mean_ranks() == pytest.approx(np.array(ranks))
    assert scores.best().tolist() == [0, 0, 0]


def test_undefined_values_have_no_rank():
    scores = method_scores([[[1.0], [np.nan]], [[2.0], [np.nan]]], {"SCD": UP})
    assert scores.mean_ranks().tolist() == [[2.0], [1.0]]
    nothing = method_scores([[[np.nan]], [[np.nan]]], {"SCD": UP})
    assert np.isnan(nothing.mean_ranks()).all()
    assert np.isnan(nothing.means()).all()
    assert np.isnan(nothing.p_values()).all()
    assert nothing.best().tolist() == [-1]


def test_what_is_undefined_is_not_starred_and_what_is_partial_is_said():
    scores = method_scores(
        [[[np.nan, 1.0], [np.nan, 2.0]], [[np.nan, np.nan], [np.nan, 3.0]]], {"SCD": UP, "EN": UP}
    )
    printed = [str(part) for part in comparison_tables("VIF", scores)]
    assert any("EN of b 1 of 2" in part for part in printed)
    (table,) = [part for part in comparison_tables("VIF", scores) if hasattr(part, "columns")]
    assert list(table.columns[1].cells) == ["–", "–"]


def test_p_values_are_wilcoxons_with_holms_correction():
    rng = np.random.default_rng(0)
    best = rng.normal(size=(20, 1))
    near, far = best - rng.normal(0.05, 0.3, (20, 1)), best - rng.normal(1, 0.1, (20, 1))
    scores = method_scores([near, best, far], {"EN": UP})
    raw = [wilcoxon((best - other)[:, 0]).pvalue for other in (near, far)]
    assert scores.best().tolist() == [1]
    assert raw[1] < raw[0]
    p = scores.p_values()[:, 0]
    assert p[2] == pytest.approx(2 * raw[1])
    assert p[0] == pytest.approx(max(raw[0], 2 * raw[1]))
    assert np.isnan(p[1])


def test_equal_methods_do_not_differ():
    scores = method_scores([[[1.0], [2.0]]] * 2, {"EN": UP})
    assert scores.p_values()[1, 0] == 1


def test_images_that_a_method_lacks_are_left_out():
    rows = {("a", "01"): [1.0], ("a", "02"): [3.0], ("b", "02"): [5.0]}
    scores = MethodScores.of(rows, ["a", "b"], ["01", "02"], {"EN": UP})
    assert scores.ids == ["02"]
    assert scores.means().tolist() == [[3.0], [5.0]]
    assert summary(scores)["images"] == 1


@pytest.mark.parametrize("methods", [1, 3])
def test_tables_fit_80_columns(methods):
    metrics = {f"Metric{k}": UP for k in range(25)}
    scores = method_scores(np.random.default_rng(0).random((methods, 4, 25)) * 1e3, metrics)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    for part in comparison_tables("VIF: TNO", scores):
        console.print(part)
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines() if "*" not in line[:2]) <= 80
    assert all(name in text for name in metrics)
    assert ("rank↓" in text) == (methods > 1)
