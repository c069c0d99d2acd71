import csv
import math
from pathlib import Path

import pytest

from fusionlab.errors import InputError
from fusionlab.runs.rows import RowFile, join_files

KEY, COLUMNS = ("method", "id"), ("EN", "SCD")


def written(path: Path) -> list[list[str]]:
    """The rows of a file, without its heading."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def test_rows_come_back_with_all_their_digits(tmp_path):
    path = tmp_path / "rows.csv"
    RowFile(path, KEY, COLUMNS).append_all(
        [(("a, b", "01"), [1 / 3, math.nan]), (("a, b", "02"), [math.inf, None])]
    )
    assert path.read_bytes().startswith(b"method,id,EN,SCD\r\n")
    first, second = written(path)
    assert first[:2] == ["a, b", "01"]
    assert float(first[2]) == 1 / 3
    assert first[3] == "nan"
    assert second == ["a, b", "02", "inf", ""]


def test_an_open_file_goes_on(tmp_path):
    path = tmp_path / "rows.csv"
    RowFile(path, ("id",), ("EN",)).append_all([(("01",), [1.0])])
    RowFile(path, ("id",), ("EN",)).append_all([(("02",), [2.0])])
    assert written(path) == [["01", "1.0"], ["02", "2.0"]]


def test_a_row_cut_off_in_the_middle_is_forgotten(tmp_path):
    path = tmp_path / "rows.csv"
    RowFile(path, ("id",), ("EN",)).append_all([(("01",), [1.0])])
    path.write_bytes(path.read_bytes() + b"02,0.12")
    rows = RowFile(path, ("id",), ("EN",))
    assert written(path) == [["01", "1.0"]]
    rows.append_all([(("02",), [0.125])])
    assert written(path) == [["01", "1.0"], ["02", "0.125"]]


def test_a_row_cut_off_within_a_name_of_two_lines_is_forgotten(tmp_path):
    path = tmp_path / "rows.csv"
    RowFile(path, ("id",), ("EN",)).append_all([(("a\nb",), [1.0])])
    whole = path.read_bytes()
    path.write_bytes(whole + b'"c\n')
    RowFile(path, ("id",), ("EN",))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("heading", [("id", "SD"), ("name", "EN"), ("id", "EN", "SD"), ("id",)])
def test_other_columns_are_refused(heading, tmp_path):
    RowFile(tmp_path / "rows.csv", ("id",), ("EN",))
    with pytest.raises(InputError, match="other columns"):
        RowFile(tmp_path / "rows.csv", heading[:1], heading[1:])


@pytest.mark.parametrize("text", ["", "id,E"])
def test_a_heading_cut_off_is_written_again(text, tmp_path):
    (tmp_path / "rows.csv").write_text(text)
    RowFile(tmp_path / "rows.csv", ("id",), ("EN",))
    assert (tmp_path / "rows.csv").read_bytes() == b"id,EN\r\n"


def test_a_damaged_row_is_named(tmp_path):
    (tmp_path / "rows.csv").write_text("id,EN\n01,2.0\n02\n")
    with pytest.raises(InputError, match="line 3 of"):
        RowFile(tmp_path / "rows.csv", ("id",), ("EN",))


ORDER = [["b", "a"], ["02", "01"]]


def file_of(path: Path, *rows: tuple[str, str, float]) -> Path:
    RowFile(path, KEY, ("EN",)).append_all(((method, id_), [value]) for method, id_, value in rows)
    return path


def test_files_of_processes_join_to_the_bytes_of_one(tmp_path):
    rows = [("b", "02", 1.0), ("a", "02", 2.0), ("b", "01", 3.0), ("a", "01", 4.0)]
    alone = file_of(tmp_path / "alone.csv", *rows[2:], *rows[:2])
    first = file_of(tmp_path / "rows.csv", rows[2], rows[3])
    second = file_of(tmp_path / "rows-1.csv", rows[0], rows[1])
    join_files([alone], ORDER)
    join_files([first, second], ORDER)
    assert first.read_bytes() == alone.read_bytes()
    assert not second.exists()
    places = [("b", "02"), ("b", "01"), ("a", "02"), ("a", "01")]
    assert [tuple(row[:2]) for row in written(first)] == places


def test_of_two_rows_with_one_key_the_last_counts_and_unknown_values_come_last(tmp_path):
    """A sample that was begun twice, after an interruption."""
    path = file_of(tmp_path / "rows.csv", ("c", "01", 9.0), ("a", "01", 1.0), ("a", "01", 2.0))
    join_files([path], ORDER)
    assert written(path) == [["a", "01", "2.0"], ["c", "01", "9.0"]]
    again = file_of(tmp_path / "rows-1.csv", ("a", "01", 3.0))
    join_files([path, again], ORDER)
    assert written(path) == [["a", "01", "3.0"], ["c", "01", "9.0"]]
