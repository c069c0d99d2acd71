import math

import pytest

from fusionlab.errors import InputError
from fusionlab.report.rows import RowFile


def test_rows_come_back_with_all_their_digits(tmp_path):
    rows = RowFile(tmp_path / "rows.csv", ("method", "id"), ("EN", "SCD"))
    rows.append(("a, b", "01"), [1 / 3, math.nan])
    rows.append(("a, b", "02"), [math.inf, -2.0])
    again = RowFile(tmp_path / "rows.csv", ("method", "id"), ("EN", "SCD"))
    values = again.values()
    assert values["a, b", "02"] == [math.inf, -2.0]
    assert values["a, b", "01"][0] == 1 / 3
    assert math.isnan(values["a, b", "01"][1])
    assert again.keys() == {("a, b", "01"), ("a, b", "02")}


def test_a_row_cut_off_in_the_middle_is_forgotten(tmp_path):
    path = tmp_path / "rows.csv"
    RowFile(path, ("id",), ("EN",)).append(("01",), [1.0])
    whole = path.read_bytes()
    path.write_bytes(whole + b"02,0.12")
    rows = RowFile(path, ("id",), ("EN",))
    assert rows.keys() == {("01",)}
    rows.append(("02",), [0.125])
    assert rows.values() == {("01",): [1.0], ("02",): [0.125]}


def test_a_row_cut_off_within_a_name_of_two_lines_is_forgotten(tmp_path):
    path = tmp_path / "rows.csv"
    rows = RowFile(path, ("id",), ("EN",))
    rows.append(("a\nb",), [1.0])
    whole = path.read_bytes()
    path.write_bytes(whole + b'"c\n')
    assert RowFile(path, ("id",), ("EN",)).values() == {("a\nb",): [1.0]}
    assert path.read_bytes() == whole


def test_other_columns_are_refused(tmp_path):
    RowFile(tmp_path / "rows.csv", ("id",), ("EN",))
    with pytest.raises(InputError, match="other columns"):
        RowFile(tmp_path / "rows.csv", ("id",), ("SD",))


def test_a_heading_cut_off_is_written_again(tmp_path):
    (tmp_path / "rows.csv").write_text("id,E")
    assert RowFile(tmp_path / "rows.csv", ("id",), ("EN",)).keys() == set()


def test_a_damaged_row_is_named(tmp_path):
    (tmp_path / "rows.csv").write_text("id,EN\n01,2.0\n02\n")
    with pytest.raises(InputError, match="line 3 of"):
        RowFile(tmp_path / "rows.csv", ("id",), ("EN",))
