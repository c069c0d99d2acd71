"""``fusionlab report``: the page of a run, written again."""

import shutil

from fusionlab.cli import main


def test_the_report_is_written_again(pairs, run_evaluate, capsys):
    folder, _ = run_evaluate("--data.root", pairs, "--ttd", "--quiet")
    index = folder / "report" / "index.html"
    before = index.read_bytes()
    shutil.rmtree(folder / "report")
    capsys.readouterr()
    main(["report", str(folder)])
    assert capsys.readouterr().out == f"{index}\n"
    assert index.read_bytes() == before


def test_a_folder_without_a_run(refused, tmp_path):
    assert str(tmp_path) in refused("report", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "missing: run" in refused("report")


def test_a_folder_that_cannot_be_written(refused, monkeypatch, tmp_path):
    def write_report(_):
        raise PermissionError(13, "Permission denied", str(tmp_path / "report"))

    monkeypatch.setattr("fusionlab.report.html.write_report", write_report)
    line = refused("report", tmp_path)
    assert "report (Permission denied); copy the run elsewhere" in line
