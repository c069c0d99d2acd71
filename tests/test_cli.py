"""The command line, through the real programs but for what they compute."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import evaluate
import fusionlab.programs.evaluate
import train
from fusionlab.cli import one_line
from fusionlab.losses import OBJECTIVES
from fusionlab.networks import NETWORKS
from fusionlab.settings import TTD, TTD_PRESETS, Network

ROOT = Path(__file__).parents[1]


@pytest.fixture
def settings_of(monkeypatch):
    """What evaluate.py would run with, for some arguments."""

    def parse(*argv: str):
        seen = []
        monkeypatch.setattr(
            fusionlab.programs.evaluate, "evaluate", lambda settings, _: seen.append(settings)
        )
        evaluate.main(list(argv))
        return seen[0]

    return parse


def test_no_arguments_mean_no_ttd(settings_of):
    assert settings_of().ttd is None


def test_a_bare_ttd_is_fusionlab_s(settings_of):
    assert settings_of("--ttd").ttd.choices() == TTD_PRESETS["fusionlab"]


@pytest.mark.parametrize("preset", TTD_PRESETS)
def test_each_preset_has_its_name(settings_of, preset):
    assert settings_of("--ttd.preset", preset).ttd.choices() == TTD_PRESETS[preset]


@pytest.mark.parametrize(
    "argv",
    [
        ["--ttd", "--ttd.temperature", "20"],
        ["--ttd.temperature=20", "--ttd"],
        ["--ttd.temperature", "20"],
    ],
)
def test_ttd_settings_switch_it_on_in_any_order(settings_of, argv):
    assert settings_of(*argv).ttd.choices() == {**TTD_PRESETS["fusionlab"], "temperature": 20.0}


def test_settings_override_a_preset(settings_of):
    ttd = settings_of("--ttd.preset", "authors", "--ttd.loss", "l1").ttd
    assert ttd.choices() == {**TTD_PRESETS["authors"], "loss": "l1"}


def test_the_line_overrides_the_config_and_null_switches_ttd_off(settings_of, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("ttd: {loss: mse}\ndata: {batch_size: 3, workers: 1}\n")
    assert settings_of("--config", str(config)).ttd.loss == "mse"
    settings = settings_of("--config", str(config), "--ttd", "null", "--data.batch_size", "2")
    assert settings.ttd is None
    assert (settings.data.batch_size, settings.data.workers) == (2, 1)


def test_a_printed_config_is_read_back(settings_of, capsys, tmp_path):
    argv = [
        "--ttd.preset",
        "authors",
        "--network.options.rule",
        "mean",
        "--data.sources",
        "[a, b]",
        "--data.root",
        "x",
    ]
    with pytest.raises(SystemExit) as stop:
        evaluate.main([*argv, "--print_config"])
    assert stop.value.code == 0
    config = tmp_path / "config.yaml"
    config.write_text(capsys.readouterr().out)
    read, typed = settings_of("--config", str(config)), settings_of(*argv)
    del read.config, typed.config
    assert read == typed


@pytest.mark.parametrize("program", [train, evaluate])
@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--network.name", "ifcn"], ["network.name", "'ifcnn'", "ifcn"]),
        (["--data.batch_size", "many"], ["data.batch_size", "int", "many"]),
        (["--data.batch_size", "0"], ["data.batch_size", "at least 1", "0"]),
        (["--data.task", "vis"], ["data.task", "'vif'", "vis"]),
        (["--data.layot", "auto"], ["data.layot", "--help"]),
        (["--training.lr", "-1"], ["training.lr", "-1"]),
        (["--training.batch_size", "0"], ["training.batch_size", "at least 1"]),
        (["--ttd.form", "cubic"], ["ttd.form", "'sigmoid'", "cubic"]),
        (["--ttd.temperature", "hot"], ["ttd.temperature", "number or auto", "hot"]),
        (["--ttd.channel", "58"], ["ttd.channel", "set ttd.basis to gradient"]),
        (
            ["--ttd.basis", "gradient", "--ttd.channel", "best"],
            ["ttd.channel", "mean, auto", "best"],
        ),
        (["--ttd.temperature", "-1"], ["ttd.temperature", "at least 0"]),
        (["--ttd.form", "linear", "--ttd.normalization", "none"], ["ttd.form", "softmax"]),
        (["--seed", "-1"], ["seed", "-1"]),
        (["--trainer.max_epochs", "0"], ["trainer.max_epochs", "at least 1"]),
        (["--trainer.limit_test_batches", "0"], ["trainer.limit_test_batches", "above 0"]),
        (["--trainer.limit_val_batches", "0"], ["trainer.limit_val_batches", "above 0"]),
        (["--data.reference", "gt"], ["data.reference", "data.root"]),
        (["--data.sources", "[a, b]"], ["data.sources", "data.root"]),
        (["--data.sources", "[a, a]", "--data.root", "x"], ["data.sources", "different"]),
        (["--ttd.temperature", "inf"], ["ttd.temperature", "inf"]),
        (["--training.hold_batch_norm", "5"], ["training.hold_batch_norm", "at most 1"]),
        (["--config", "nowhere.yaml"], ["config", "nowhere.yaml"]),
        (["--trainer.max_epochs", "1.5"], ["trainer.max_epochs", "int", "1.5"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(program, argv, expected, capsys):
    with pytest.raises(SystemExit) as stop:
        program.main(argv)
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert [part for part in expected if part not in printed.err] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("netwrk: {name: ifcnn}\n", ["netwrk"]),
        ("network: {nme: ifcnn}\n", ["nme"]),
        ("data: {workers: few}\n", ["workers", "few"]),
        ("data: {root: [1\n", ["config.yaml"]),
        ("ttd: true\n", ["ttd", "{}"]),
        ("ttd: {gamma: 3}\n", ["gamma"]),
        ("seed: null\n", ["seed"]),
        ("data: [1, 2]\n", ["data"]),
        ("trainer: [1]\n", ["trainer"]),
    ],
)
def test_a_mistake_in_a_config_is_one_line(text, expected, capsys, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--config", str(config)])
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert printed.count("\n") == 1
    assert [part for part in expected if part not in printed] == []


@pytest.mark.parametrize("argv", [["--help"], ["--ttd.form", "cubic"], ["--no.such", "3"]])
@pytest.mark.parametrize("program", ["train", "evaluate"])
def test_help_and_mistakes_do_without_torch(program, argv):
    code = (
        f"import sys, {program}\n"
        f"try: {program}.main({argv!r})\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
    )


def test_help_says_what_every_option_does(capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Folder with the images" in text
    assert "Factor of the loss" not in text  # that is behind --ttd.help
    with pytest.raises(SystemExit):
        evaluate.main(["--ttd.help"])
    assert "Factor of the loss" in " ".join(capsys.readouterr().out.split())


def test_every_network_can_be_named_and_trained():
    named = Network.__dataclass_fields__["name"].type
    assert all(f'"{name}"' in named or f"'{name}'" in named for name in NETWORKS)
    assert set(OBJECTIVES) == set(NETWORKS)


def test_presets_set_everything():
    settable = set(TTD.__dataclass_fields__) - {"preset"}
    assert all(set(preset) == settable for preset in TTD_PRESETS.values())


def test_a_plain_message_stays_as_it_is():
    assert one_line("data.root is empty") == "data.root is empty"


def test_configs_hold_decisions_only():
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        assert yaml.safe_load(path.read_text()), path
        assert path.read_text().startswith("# "), f"{path} does not say what it is"


def test_a_folder_that_is_no_list_is_named(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("fused: avg\n")
    with pytest.raises(SystemExit):
        evaluate.main(["--config", str(tmp_path / "a.yaml")])
    assert capsys.readouterr().err == (
        "evaluate.py: error: fused must be a list of folders, [DIR, ...]\n"
    )


def test_ctrl_c_during_the_imports_is_no_traceback(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "_program", interrupted)
    with pytest.raises(SystemExit) as stop:
        evaluate.main([])
    assert stop.value.code == 130
    assert capsys.readouterr().err == "evaluate.py: interrupted\n"
