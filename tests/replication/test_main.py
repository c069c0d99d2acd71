import pytest

from replication.__main__ import command_line, main

from ..conftest import write_pairs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "Elsewhere=x", "--weights", "a=b"], "no published figures for Elsewhere"),
        (["--data", "TNO", "--weights", "a=b"], "must be NAME=VALUE, got 'TNO'"),
        (["--data", "TNO=x", "TNO=y", "--weights", "a=b"], "--data names one twice"),
        (["--data", "TNO=x", "--weights", "a=b", "-o", "no/p.md"], "no folder no for the page"),
        (["--data", "TNO=x", "--weights", "a=b", "--limit", "0"], "at least 1, got 0"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error
    assert error.count("\n") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_nothing_is_measured_if_a_checkpoint_is_missing(tmp_path, capsys):
    pairs = write_pairs(tmp_path / "pairs", sources=("MRI", "CT"))
    values, page = tmp_path / "values", tmp_path / "page.md"
    with pytest.raises(SystemExit):
        main(
            [
                *("--data", f"MRI-CT={pairs}", "--weights", "own=bundled", "other=none.pth"),
                *("--values", str(values), "-o", str(page)),
            ]
        )
    assert "none.pth" in capsys.readouterr().err
    assert not values.exists()


def test_the_command_is_shown_as_it_was_typed_without_absolute_paths():
    arguments = ["--data", "TNO=../d/TNO", "MSRS=/home/me/MSRS", "--weights", "a=-b/c.pth"]
    assert command_line([*arguments, "-o", "/tmp/page.md"]) == (
        "python -m replication \\\n    --data TNO=../d/TNO MSRS=MSRS \\\n    --weights a=-b/c.pth "
        "\\\n    -o page.md"
    )
