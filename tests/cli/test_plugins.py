"""Networks, objectives, metrics, layouts and TTD losses from outside the package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import fusionlab
from fusionlab.cli import main

PLUGINS = Path(__file__).parent / "plugins"
GROUPS = {
    "networks": "mine = my_package.my_network:Mine",
    "objectives": "nearest = my_package.my_objective:Nearest",
    "metrics": "level = my_package.my_metric:MeanLevel",
    "layouts": "dotted = my_package.my_layout:find_dotted",
    "ttd_losses": "fourth = my_package.my_loss:FOURTH",
}


@pytest.fixture
def files(tmp_path, plugins_go) -> dict[str, str]:
    """The plug-ins in a folder of their own, by name."""
    folder = tmp_path / "plugins"
    shutil.copytree(PLUGINS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return {path.stem: str(path) for path in folder.glob("*.py")}


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Two pairs, laid out as no built-in layout is."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("01.vi", "01.ir", "02.vi", "02.ir"):
        pixels = rng.integers(0, 256, (20, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def steps(pairs: Path, folder: Path) -> dict[str, list[str]]:
    """Training a network of one's own, evaluating it, fusing with it: the arguments by command."""
    checkpoint = folder / "trained" / "mine.safetensors"
    data = ["--data.root", str(pairs), "--data.layout", "dotted"]
    common = [*data, "--trainer.accelerator", "cpu", "--wandb", "disabled", "--quiet"]
    network = ["--network.name", "mine", "--network.checkpoint", str(checkpoint)]
    return {
        "train": [
            *("--network.name", "mine", "--network.options.width", "3", *common),
            *("--training.root", str(pairs), "--training.crop_size", "16"),
            *("--training.samples_every", "0", "--metrics.names", "[level]"),
            *("--trainer.max_epochs", "1", "--output", str(folder / "train")),
        ],
        "evaluate": [
            *("--methods", f"mine@{checkpoint}", "--metrics.names", "[EN, level]", *common),
            *("--ttd.loss", "fourth", "--data.workers", "1", "--output", str(folder / "evaluate")),
        ],
        "fuse": [
            *(str(pairs / "01.vi.png"), str(pairs / "01.ir.png"), *network, "--task", "vif"),
            *("--ttd.loss", "fourth", "-o", str(folder / "fused.png"), "--quiet"),
        ],
    }


def keep_trained(folder: Path) -> None:
    """Give the folder of the training a name that is known beforehand."""
    (run,) = (folder / "train").iterdir()
    run.rename(folder / "trained")


def check_results(folder: Path) -> None:
    """Everything of one's own has been used, and the programs agree."""
    summary = json.loads((folder / "trained" / "summary.json").read_text())
    assert "objective" in str(summary)
    (run,) = (folder / "evaluate").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    names = ["vi alone", "ir alone", "Mine", "Mine+TTD"]
    assert [method["name"] for method in summary["methods"]] == names
    assert summary["methods"][-1]["facts"]["ttd"]["loss"] == "fourth"
    assert summary["methods"][-1]["facts"]["network"]["options"] == {"width": 3}
    assert list(summary["metrics"]) == ["EN", "Level"]
    assert summary["results"][0]["means"]["Mine"]["Level"] > 0
    fused, evaluated = (folder / "fused.png", run / "vif" / "Mine+TTD" / "01.png")
    assert np.array_equal(np.asarray(Image.open(fused)), np.asarray(Image.open(evaluated)))


def test_files_of_ones_own_in_every_program(files, pairs, tmp_path):
    plugins = [word for file in files.values() for word in ("--plugin", file)]
    for command, argv in steps(pairs, tmp_path).items():
        main([command, *plugins, *argv])
        if command == "train":
            keep_trained(tmp_path)
    check_results(tmp_path)


@pytest.mark.slow
def test_the_config_of_a_run_names_its_plugins(files, pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(files["my_layout"]).parent)
    output = tmp_path / "runs"
    argv = ["--data.root", str(pairs), "--data.layout", "dotted", "--metrics.names", "[level]"]
    more = ["--wandb", "disabled", "--quiet", "--output", str(output)]
    main(["evaluate", "--plugin", "my_layout.py", "--plugin=my_metric.py", *argv, *more])
    (run,) = output.iterdir()
    stored = yaml.safe_load((run / "config.yaml").read_text())
    assert stored["plugin"] == [files["my_layout"], files["my_metric"]]
    monkeypatch.chdir(tmp_path)
    main(["evaluate", "--resume", str(run)])
    main(["evaluate", "--config", str(run / "config.yaml")])
    again = next(one for one in output.iterdir() if one != run)
    results = [json.loads((one / "summary.json").read_text())["results"] for one in (run, again)]
    assert results[0][0]["means"]["IFCNN"]["Level"] == results[1][0]["means"]["IFCNN"]["Level"]


def test_a_config_may_name_one_plugin_or_several(files, settings_of, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"plugin: {files['my_network']}\nnetwork: {{name: mine}}\n")
    assert settings_of("--config", str(config)).network.name == "mine"
    config.write_text(f"plugin: [{files['my_loss']}]\nttd: {{loss: [l1, fourth]}}\n")
    assert settings_of("--config", str(config)).ttd.loss == ["l1", "fourth"]


def test_names_are_checked_once_plugins_are_there(files, settings_of, refused):
    argv = ["--network.name", "mine", "--data.layout", "dotted", "--data.root", "x"]
    argv += ["--training.objective", "nearest", "--ttd.loss", "fourth"]
    argv += ["--methods", "[{network: mine}]", "--ttd_settings", "[]"]
    plugins = json.dumps(list(files.values()))
    assert settings_of("--plugin", plugins, *argv).methods[0].network == "mine"
    line = refused("evaluate", "--plugin", files["my_network"], "--network.name", "mein")
    assert "network.name must be one of" in line
    assert ", mine, " in line or ", mine," in line


def test_other_commands_know_plugins_too(files, pairs, tmp_path, capsys):
    main(["networks", "--plugin", files["my_network"]])
    assert "\nmine: Mine\n" in capsys.readouterr().out
    main(["metrics", "level", "--plugin", files["my_metric"]])
    assert capsys.readouterr().out.startswith("Level: Mean grey level; 0 is best\n")
    made = ["-o", str(tmp_path / "m.yaml"), "--layout", "dotted", "--task", "vif"]
    main(["data", "make-manifest", str(pairs), *made, "--plugin", files["my_layout"]])
    assert "m.yaml: 2 samples, 4 files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", "import nowhere_to_be_found", "cannot be imported: No module named 'nowhere_to"),
        ("b.py", "def (", "cannot be imported: invalid syntax"),
        ("json.py", "", "cannot be called json: another module is; rename the file"),
        ("my-own.py", "", "cannot be called my-own: it is no name of a module; rename the file"),
        ("c.txt", "", "give --plugin the path of a Python file"),
    ],
)
def test_a_plugin_that_cannot_be_used(files, refused, tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert expected in refused("evaluate", "--plugin", tmp_path / name)


def test_a_mistake_in_the_code_of_a_plugin_keeps_its_traceback(files, tmp_path):
    (tmp_path / "faulty.py").write_text("raise ValueError('of the user')")
    with pytest.raises(ValueError, match="of the user"):
        main(["evaluate", "--plugin", str(tmp_path / "faulty.py")])


def python(*argv: str, path: Path, cwd: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{path}{os.pathsep}{Path(fusionlab.__file__).parents[1]}",
    }
    subprocess.run([sys.executable, *argv], cwd=cwd, env=environment, check=True)


@pytest.mark.slow
def test_processes_that_are_started_anew_find_a_plugin(files, tmp_path):
    """As DataLoader's workers do where they are not forked."""
    (tmp_path / "script.py").write_text(
        "from multiprocessing import get_context\n"
        "from fusionlab.registry import METRICS, load_plugins\n"
        "if __name__ == '__main__':\n"
        f"    load_plugins([{files['my_metric']!r}])\n"
        "    with get_context('spawn').Pool(1) as pool:\n"
        "        assert pool.map(repr, [METRICS['level']]) == [repr(METRICS['level'])]\n"
    )
    python("script.py", path=tmp_path, cwd=tmp_path)


@pytest.fixture
def package(tmp_path) -> Path:
    """Where a package of one's own, with entry points, is installed."""
    source = tmp_path / "source"
    shutil.copytree(PLUGINS, source / "my_package", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "my_package" / "__init__.py").touch()
    for path in (source / "my_package").glob("my_*.py"):  # the last line registers
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    points = "".join(
        f'[project.entry-points."fusionlab.{group}"]\n' + '{} = "{}"\n'.format(*line.split(" = "))
        for group, line in GROUPS.items()
    )
    (source / "pyproject.toml").write_text(
        f'[project]\nname = "my-package"\nversion = "1"\n{points}'
        '[tool.setuptools]\npackages = ["my_package"]\n'
    )
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    target = ["--target", str(tmp_path / "installed"), str(source)]
    subprocess.run([*pip, *target], check=True, capture_output=True)
    return tmp_path / "installed"


@pytest.mark.slow
def test_an_installed_package_in_every_program(package, pairs, tmp_path):
    for command, argv in steps(pairs, tmp_path).items():
        python("-m", "fusionlab", command, *argv, path=package, cwd=tmp_path)
        if command == "train":
            keep_trained(tmp_path)
    check_results(tmp_path)


@pytest.mark.slow
def test_the_processes_of_one_evaluation_share_plugins(files, pairs, tmp_path):
    plugins = [word for name in ("my_layout", "my_metric") for word in ("--plugin", files[name])]
    data = ["--data.root", str(pairs), "--data.layout", "dotted", "--metrics.names", "[level]"]
    two = ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    argv = ["evaluate", *plugins, *data, *two, "--wandb", "disabled"]
    python("-m", "fusionlab", *argv, path=tmp_path, cwd=tmp_path)
    (run,) = (tmp_path / "runs").iterdir()
    (result,) = json.loads((run / "summary.json").read_text())["results"]
    assert result["means"]["IFCNN"]["Level"] > 0


@pytest.mark.slow
def test_an_entry_point_that_leads_nowhere_is_named(package, tmp_path):
    (package / "my_package" / "my_network.py").write_text("import nowhere_to_be_found\n")
    code = (
        "from fusionlab.cli import main\n"
        "try: main(['evaluate', '--network.name', 'mine'])\n"
        "except SystemExit as end: assert end.code == 2"
    )
    python("-c", code, path=package, cwd=tmp_path)
