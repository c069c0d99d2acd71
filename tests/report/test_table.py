"""The tables of the terminal and of Markdown: they print a summary."""

import io
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from fusionlab.report.markdown import markdown
from fusionlab.report.table import mark, number, share, tables, theorem_lines, ttd_line
from fusionlab.settings import TTD

from .conftest import NAN, summary_of

UP = {"EN": "higher"}


def printed(summary) -> str:
    console = Console(file=io.StringIO(), width=80)
    for table in tables(*summary):
        console.print(table)
    return console.file.getvalue()


def row(text: str, name: str, nth: int = 0) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip().startswith(name)]
    return lines[nth].replace(name, "", 1).split()


def test_the_table_reads_like_the_paper_s(summary):
    text = printed(summary)
    assert text.splitlines()[0].strip() == "VIF: pairs, 3 images"
    assert "EN↑" in text
    assert "CE↓" in text
    assert row(text, "IFCNN ") == ["2.00", "12.00", "5.00"]  # the last is the median time
    assert row(text, "IFCNN+TTD") == ["3.00", "10.00", "9.00"]
    assert row(text, "vi alone") == ["5.00", "–"]
    assert row(text, "difference") == ["+1.000", "−2.000"]
    assert row(text, "95 % from") == ["+1.000", "−2.000"]
    assert row(text, "improved") == ["100", "%", "100", "%"]
    assert "rank" not in text  # two methods have their difference


def test_the_ground_truth_has_a_table_of_its_own(summary):
    text = printed(summary)
    assert "against the ground truth" in text
    assert "PSNR↑" in text
    assert row(text, "IFCNN ", nth=1) == ["40.00"]
    assert row(text, "difference", nth=1) == ["−1.000"]
    assert row(text, "improved", nth=1) == ["0", "%"]


def test_a_row_of_fewer_images_says_of_how_many():
    text = printed(summary_of({"vi alone": [[1.0], None], "Net": [[1.0], [2.0]]}, UP))
    assert "vi, n = 1" in text


def test_without_ttd_there_is_nothing_to_compare():
    about, result = summary_of({"Net": [[1.0], [2.0]]}, UP)
    assert result["differences"] == {}
    assert "difference" not in printed((about, result))


def test_every_setting_has_its_difference():
    text = printed(summary_of({"N": [[1.0]], "N+TTD (a)": [[2.0]], "N+TTD (b)": [[0.5]]}, UP))
    assert row(text, "Δ N+TTD (a)") == ["+1.000"]
    assert row(text, "Δ N+TTD (b)") == ["−0.500"]


def test_a_tie_is_not_improved():
    about, result = summary_of({"N": [[1.0], [1.0]], "N+TTD": [[1.0], [2.0]]}, UP)
    assert row(printed((about, result)), "improved") == ["50", "%"]
    assert "50 %" in markdown(about, result)


def test_the_best_is_marked_and_what_is_not_behind_it():
    rng = np.random.default_rng(0)
    best = rng.normal(size=(20, 1))
    near, far = best - rng.normal(0.05, 0.3, (20, 1)), best - rng.normal(1, 0.1, (20, 1))
    values = {"near": near.tolist(), "best": best.tolist(), "far": far.tolist()}
    about, result = summary_of(values, UP)
    assert [mark(result, name, "EN") for name in values] == ["=", "*", ""]
    text = printed((about, result))
    assert row(text, "best ")[0].endswith("*")
    assert "rank↓" in text
    assert "* best by mean rank" in text


def test_what_is_undefined_has_no_mark_and_what_is_partial_is_said():
    values = {"a": [[NAN, 1.0], [NAN, 2.0]], "b": [[NAN, NAN], [NAN, 3.0]], "c": [[NAN, 0.0]] * 2}
    text = printed(summary_of(values, {"SCD": "higher", **UP}))
    assert "EN of b 1 of 2" in text
    assert row(text, "a ")[0] == row(text, "b ")[0] == "–"


@pytest.mark.parametrize("names", ["A", "A,A+TTD", "A,B,C,A+TTD (gradient; authors)"])
def test_tables_fit_80_columns(names):
    metrics = {f"Metric{k}": "higher" for k in range(25)}
    rng = np.random.default_rng(0)
    values = {name: (1e3 * rng.random((4, 25))).tolist() for name in names.split(",")}
    text = printed(summary_of(values, metrics))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert all(name in text for name in metrics)


def test_markdown_has_a_line_for_each_method_and_difference(summary):
    lines = markdown(*summary).splitlines()
    assert lines[0] == "## VIF: pairs, 3 images"
    assert lines[2] == "Against the ground truth:"
    assert "| IFCNN | 40.00 |" in lines
    assert "| Δ IFCNN+TTD | −1.000 [−1.000, −1.000], 0 % |" in lines
    assert "|  | EN↑ | CE↓ | ms |" in lines
    assert "| vi alone | 5.00 | – |  |" in lines
    assert (
        "| Δ IFCNN+TTD | +1.000 [+1.000, +1.000], 100 % | −2.000 [−2.000, −2.000], 100 % |  |"
    ) in lines


def test_markdown_of_ranked_methods_and_of_names_with_bars():
    about, result = summary_of({"a|b": [[1.0]], "c": [[2.0]], "d": [[3.0]]}, UP)
    lines = markdown(about, result).splitlines()
    assert lines[2] == "|  | EN↑ | rank↓ |"
    assert lines[4].startswith("| a\\|b | 1.00")
    assert lines[6].startswith("| d | 3.00\\* |")


def test_numbers_in_few_characters():
    assert [number(one) for one in (1.005, None, NAN, -2.5, 1234.6, "inf")] == [
        *("1.00", "–", "–", "−2.50", "1235", "∞")
    ]
    assert [number(one, signed=True) for one in (0.0004, -12.0)] == ["+0.000", "−12.00"]
    assert [share(one) for one in (0.125, None, 1.0)] == ["12 %", "–", "100 %"]


def test_ttd_in_a_line():
    settings = asdict(TTD("paper").resolved(max_rule=False))
    expected = (
        "l1 loss of components, temperature 1, exp, softmax, negative correlation, gain share"
    )
    assert ttd_line(settings) == expected
    assert ttd_line({**settings, "note": "it does nothing"}) == expected + "; it does nothing"
    dynamic = {**settings, "basis": "gradient", "channel": 58, "temperature": "auto"}
    assert ttd_line(dynamic) == "gradient (channel 58) of the " + expected.replace(
        "1, e", "auto, e"
    )


def measured(covariances: dict[str, float], is_lower: float | None) -> dict[str, dict[str, float]]:
    of_image = {} if is_lower is None else {"static_bound": 2.0, "dynamic_is_lower": is_lower}
    return {name: {**of_image, "covariance": one} for name, one in covariances.items()}


def theorem_of(*images) -> list[str]:
    values = {"N": [[1.0]] * len(images), "N+TTD": [[1.0]] * len(images)}
    _, result = summary_of(values, UP, theorem={"N+TTD": list(images)})
    return theorem_lines(result)


def test_the_theorem_in_a_line():
    images = [measured({"vi": -0.5, "ir": 0.5}, 1.0), measured({"vi": 0.0}, 0.0)]
    (line,) = theorem_of(*images)
    assert line.replace("\n  ", " ") == (
        "theorem, N+TTD: Eq. 5 holds on 1 of 2 images; Cov(ω, ℓ) −0.25 (vi), 0.5 (ir)"
    )
    assert theorem_of(images[0])[0].startswith("theorem, N+TTD: Eq. 5 holds on 1 of 1 image;")


def test_an_image_without_a_bound_is_not_counted():
    images = [measured({"vi": -0.5}, 1.0), measured({"vi": 0.5}, None)]
    assert "holds on 1 of 1 image;" in theorem_of(*images)[0]
    assert "holds on 0 of 0 images;" in theorem_of(images[1])[0]


def test_the_line_of_many_sources_fits_and_parts_no_number_from_its_source():
    names = {f"exposure {k}": -1.5e-5 * 10**k for k in range(6)}
    (text,) = theorem_of(*(measured(names, float(k % 3 > 0)) for k in range(60)))
    lines = text.splitlines()
    assert lines[0].startswith("theorem, N+TTD: Eq. 5 holds on 40 of 60 images; Cov(ω, ℓ)")
    assert len(lines) > 1
    assert all(len(one) <= 80 for one in lines)
    assert all(one.endswith(("),", ")")) for one in lines[1:])
