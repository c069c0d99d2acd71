import pytest

from fusionlab.errors import InputError
from fusionlab.laboratory.replication import __main__ as replication
from fusionlab.laboratory.replication.program import replicate

from ..conftest import write_pairs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "Elsewhere=x", "--weights", "a=b"], "no published figures for Elsewhere"),
        (["--data", "TNO", "--weights", "a=b"], "must be NAME=VALUE, got 'TNO'"),
        (["--data", "TNO=x", "TNO=y", "--weights", "a=b"], "--data names one twice"),
        (["--data", "TNO=x", "--weights", "a=b", "-o", "no/p.md"], "no folder no for the page"),
        (["--data", "TNO=x", "--weights", "a=b", "--limit", "TNO=0"], "at least 1, got 0"),
        (["--data", "TNO=x", "--weights", "a=b", "--limit", "MEFB=2"], "which --data has not"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    with pytest.raises(SystemExit) as stop:
        replication.main(arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error
    assert error.count("\n") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_packages_own_weights_keep_their_name(tmp_path):
    pairs = write_pairs(tmp_path / "pairs", sources=("MRI", "CT"))
    with pytest.raises(InputError, match="give yours another name"):
        replicate({"MRI-CT": str(pairs)}, {"bundled": "x"}, {}, [], tmp_path / "values")
