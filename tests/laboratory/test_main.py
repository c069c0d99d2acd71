"""python -m fusionlab.laboratory through its real main."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from fusionlab.laboratory import program
from fusionlab.laboratory.__main__ import main
from fusionlab.laboratory.settings import Experiment
from fusionlab.settings import TTD
from fusionlab.training.module import FusionModule

from .conftest import write_pairs

EXPERIMENTS = sorted((Path(__file__).parents[2] / "configs" / "experiments").glob("*.yaml"))
MANY = {"corruptions", "grid"}  # conditions or settings
TWO = "settings: [{preset: paper}, {preset: authors}]\n"


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(one, id=one.stem, marks=pytest.mark.slow if one.stem in MANY else ())
        for one in EXPERIMENTS
    ],
)
def test_every_experiment_runs(path, pairs, run_experiment, capsys):
    less = {"noise_on_parameters": ["--noise_seeds", "2"], "inference_time": ["--repeats", "1"]}
    argv = ["--data.root", pairs, "--metrics.names", "[EN, CE]", *less.get(path.stem, [])]
    folder = run_experiment(path, *argv)
    content = yaml.safe_load(path.read_text())
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["title"] == content["title"]
    assert f"python -m fusionlab.laboratory configs/experiments/{path.name}" in path.read_text()
    grid = 1
    for values in content.get("grid", {}).values():
        grid *= len(values)
    count = len(content.get("settings", [])) or grid
    draws = 1 + 2 * 5 if path.stem == "noise_on_parameters" else 1
    conditions = 1 + 5 * len(content.get("corruption", []))
    rows = lines_of(folder / "per_image.csv")
    assert len(rows) == 2 * (1 + count) * draws * conditions
    measured = {"ms", "ratio"} if content.get("repeats") else {"EN", "CE"}
    assert {line["metric"] for line in lines_of(folder / "table.csv")} == measured
    assert (folder / "table.md").read_text().startswith(f"# {content['title']}\n")
    figures = sorted(folder.glob("figure-*.png"))
    assert len(figures) == max(1, len(content.get("corruption", [])))
    for figure in figures:
        assert min(Image.open(figure).size) > 300
        assert figure.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines()[4:-1])) <= 80  # but for the lines with paths


def test_the_table_is_the_difference_of_the_rows(pairs, config, run_experiment):
    folder = run_experiment(config(TWO), "--data.root", pairs)
    rows = {(one["id"], one["setting"]): one for one in lines_of(folder / "per_image.csv")}
    (result,) = json.loads((folder / "summary.json").read_text())["results"]
    for label in ("paper", "authors"):
        for metric in ("EN", "SF", "CE"):
            static, new = (
                [float(rows[name, row][metric]) for name in ("01D", "02N")]
                for row in ("static", label)
            )
            differences = [b - a for a, b in zip(static, new, strict=True)]
            found = result["settings"][label][metric]
            assert result["static"][metric] == pytest.approx(sum(static) / 2)
            assert found["mean"] == pytest.approx(sum(new) / 2)
            assert found["minus_static"]["mean"] == pytest.approx(sum(differences) / 2)
            better = [d < 0 if metric == "CE" else d > 0 for d in differences]
            assert found["minus_static"]["improved"] == sum(better) / 2


def test_a_uniform_setting_differs_in_nothing(tmp_path, config, run_experiment):
    root = write_pairs(tmp_path / "pairs", sources=("near", "far", "gt"))
    folder = run_experiment(config("settings: [{temperature: 0}]\n"), "--data.root", root)
    table = lines_of(folder / "table.csv")
    assert [line["metric"] for line in table[:2]] == ["PSNR_truth", "SSIM_truth"]
    assert len(table) == 2 + 8
    for line in table:
        assert [float(line[key]) for key in ("difference", "low", "high", "improved")] == [0.0] * 4
        assert line["mean"] == line["static"]


def test_an_interrupted_run_goes_on_to_the_same_table(
    pairs, config, run_experiment, monkeypatch, capsys
):
    path = config(TWO + "parameter_noise: [0, 0.3]\nnoise_seeds: 2\nmetrics: {names: [SF]}\n")
    whole = run_experiment(path, "--data.root", pairs)
    computed = []
    sweep = program.sweep

    def stops(*arguments, **options):
        for row in sweep(*arguments, **options):
            if len(computed) == 8:
                raise KeyboardInterrupt
            computed.append(row)
            yield row

    monkeypatch.setattr(program, "sweep", stops)
    known = set(whole.parent.glob("*"))
    with pytest.raises(SystemExit) as stop:
        run_experiment(path, "--data.root", pairs)
    assert stop.value.code == 130
    (folder,) = set(whole.parent.glob("*")) - known
    assert f"python -m fusionlab.laboratory --resume {folder} goes on" in capsys.readouterr().err
    with (folder / "per_image.csv").open("a") as file:
        file.write("pairs,noise 0.3,0,02N,pap")  # cut off in the middle
    monkeypatch.setattr(program, "sweep", sweep)
    main(["--resume", str(folder)])
    for name in ("table.csv", "table.md"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert len(lines_of(folder / "per_image.csv")) == 3 * 3 * 2


def test_an_image_counts_once_however_often_it_is_drawn(pairs, config, run_experiment):
    path = config("settings: [{preset: authors}]\nparameter_noise: [0.3]\nnoise_seeds: 2\n")
    folder = run_experiment(path, "--data.root", pairs, "--metrics.names", "[SD]")
    rows = [line for line in lines_of(folder / "per_image.csv") if line["setting"] == "static"]
    assert len(rows) == 4
    assert len({line["SD"] for line in rows}) == 4  # other noise in each draw
    (line,) = lines_of(folder / "table.csv")
    assert line["images"] == "2"
    assert float(line["static"]) == pytest.approx(sum(float(row["SD"]) for row in rows) / 4)


def test_the_written_config_repeats_the_run(pairs, config, run_experiment):
    first = run_experiment(config(TWO), "--data.root", pairs, "--metrics.names", "[EN]")
    second = run_experiment(first / "config.yaml")
    for name in ("table.csv", "per_image.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_settings_are_called_by_what_tells_them_apart():
    def labels(*settings: TTD) -> list[str]:
        return list(Experiment(settings=list(settings)).labelled())

    assert labels(TTD("paper")) == ["TTD"]
    assert labels(TTD("paper"), TTD("authors")) == ["paper", "authors"]
    assert labels(TTD("paper", form="linear"), TTD("paper")) == ["linear", "exp"]
    assert labels(TTD("paper", temperature=50.0), TTD("authors")) == [
        "paper, γ 50",
        "authors, γ 50",
    ]
    grid = Experiment(grid={"loss": ["l1", "mse"], "temperature": [1, "auto"]})
    assert list(grid.labelled()) == ["l1, γ 1", "l1, γ auto", "mse, γ 1", "mse, γ auto"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has neither settings nor grid"),
        ("settings: [{los: l1}]", "los"),
        ("settings: [{loss: l7}]", "loss"),
        ("settings: [{form: linear, normalization: none}]", "set ttd.normalization to softmax"),
        ("settings: [{preset: paper}, {preset: paper, loss: l1}]", "two settings are the same"),
        ("settings: [{}]", "lists of mappings, e.g. settings: [{preset: paper}]"),
        ("grid: {los: [l1]}", "grid has no option 'los'; there are preset, basis"),
        ("grid: {loss: l1}", 'key "grid": Expected list. Got value: l1'),
        ("grid: {loss: [l7]}", "ttd.loss must be one of"),
        ("grid: {loss: [l1]}\nsettings: [{loss: l1}]", "either settings or grid"),
        (TWO + "parameter_noise: [-1]", "parameter_noise must be at least 0"),
        (TWO + "parameter_noise: [0]\nsubsets: {a: '*'}", "are two experiments"),
        (TWO + "corruption: [{name: fog}]", "fog"),
        (TWO + "corruption: [{name: jpeg, severities: [6]}]", "from 1 to 5, got [6]"),
        (TWO + "corruption: [{name: jpeg, source: us}]", "no source us, it has vi, ir"),
        (TWO + "subsets: {dusk: '*X'}", "called *X, as subsets.dusk wants"),
        (TWO + "repeats: -1", "repeats must be at least 0"),
        (TWO + "limit: 0", "limit must be at least 1"),
        (TWO + "metrics: {names: [nosuch]}", "no metric 'nosuch'"),
        (TWO + "nosuch: 1", "nosuch"),
        (TWO + "data: 3", "data"),
        (TWO + "ttd: {loss: l1}", "ttd"),
        (
            "settings: [{preset: paper, basis: gradient, loss: objective}]",
            "set ttd.loss to l1, mse, ssim or structure",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(text, expected, pairs, config, tmp_path, capsys):
    output = tmp_path / "refused"
    argv = [str(config(text + "\n"))]
    argv += ["--output", str(output), "--device", "cpu"]
    argv += [] if text.endswith("data: 3") else ["--data.root", str(pairs)]
    with pytest.raises(SystemExit) as stop:
        main(argv)
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert printed.out == ""
    assert not output.exists(), "something was written although the input was refused"
    *_, line = printed.err.splitlines()
    assert line.startswith("python -m fusionlab.laboratory: error: ")
    assert expected in line


def test_mistakes_on_the_line(pairs, config, run_experiment, capsys):
    def refused(*argv: object) -> str:
        with pytest.raises(SystemExit) as stop:
            main([str(one) for one in argv])
        assert stop.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert "name one, e.g. configs/experiments/weight_forms.yaml" in refused()
    assert "nowhere.yaml" in refused("nowhere.yaml")
    assert "device nosuch cannot be used" in refused(config(TWO), "--device", "nosuch")
    assert "no config.yaml in" in refused("--resume", pairs)
    folder = run_experiment(config(TWO), "--data.root", pairs, "--metrics.names", "[EN]")
    changed = refused("--resume", folder, "--limit", "1")
    assert f"limit is not that of {folder}; leave it out or start anew" in changed


def test_times_are_medians_by_turns(pairs, config, run_experiment, monkeypatch):
    """Static takes 10 ms, then 20, then 30; TTD three times as long but for one busy moment."""
    calls = iter(range(100))

    def fuse(module, batch, index=0):
        turn = next(calls) // 2 % 4  # two settings; the first turn warms up
        static = (99.0, 10.0, 20.0, 30.0)[turn]
        return {}, {"static": static, "ttd": static * (99.0, 3.0, 3.0, 8.0)[turn]}, None

    monkeypatch.setattr(FusionModule, "fuse", fuse)
    folder = run_experiment(config(TWO + "repeats: 3\n"), "--data.root", pairs)
    rows = lines_of(folder / "per_image.csv")
    assert len(rows) == 2 * 3
    for row in rows:
        expected = (20.0, 1.0) if row["setting"] == "static" else (60.0, 3.0)
        assert (float(row["ms"]), float(row["ratio"])) == expected


def test_help_does_not_wait_for_torch():
    script = (
        "import sys\n"
        "from fusionlab.laboratory.__main__ import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    assert "--parameter_noise" in printed.stdout
    assert "--network.checkpoint" in printed.stdout


def test_without_matplotlib_nothing_is_computed(pairs, config, monkeypatch, capsys):
    monkeypatch.setattr(program, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        main([str(config(TWO)), "--data.root", str(pairs)])
    assert stop.value.code == 2
    assert "pip install matplotlib" in capsys.readouterr().err
