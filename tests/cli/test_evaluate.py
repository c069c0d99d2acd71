"""What evaluate and train understand: methods, TTD, conditions, configs."""

from pathlib import Path

import pytest
import yaml

from fusionlab.cli.arguments import config_folder
from fusionlab.settings import TTD, TTD_PRESETS, Corruption, Method

ROOT = Path(__file__).parents[2]
RECIPES = sorted(
    path.relative_to(config_folder()).with_suffix("").as_posix()
    for path in config_folder().rglob("*.yaml")
)


def test_no_arguments_mean_no_ttd(settings_of):
    assert settings_of().ttd is None


def test_a_bare_ttd_is_the_paper_s(settings_of):
    assert settings_of("--ttd").ttd.options() == TTD_PRESETS["paper"]


@pytest.mark.parametrize("preset", TTD_PRESETS)
def test_each_preset_has_its_name(settings_of, preset):
    assert settings_of("--ttd.preset", preset).ttd.options() == TTD_PRESETS[preset]


@pytest.mark.parametrize(
    "argv",
    [
        ["--ttd", "--ttd.temperature", "20"],
        ["--ttd.temperature=20", "--ttd"],
        ["--ttd.temperature", "20"],
    ],
)
def test_ttd_settings_switch_it_on_in_any_order(settings_of, argv):
    assert settings_of(*argv).ttd.options() == {**TTD_PRESETS["paper"], "temperature": 20.0}


def test_settings_override_a_preset(settings_of):
    ttd = settings_of("--ttd.preset", "authors", "--ttd.loss", "l1").ttd
    assert ttd.options() == {**TTD_PRESETS["authors"], "loss": "l1"}


def test_lists_of_ttd_are_every_combination(settings_of):
    given = ["--ttd.preset", "[paper, authors]", "--ttd.temperature", "[1, auto]"]
    found = [(one.preset, one.temperature) for one in settings_of(*given).ttd.combinations()]
    assert found == [("paper", 1.0), ("paper", "auto"), ("authors", 1.0), ("authors", "auto")]


def test_several_ttd_settings_are_mappings(settings_of):
    given = "[{preset: paper}, {preset: authors, form: [exp, sigmoid]}]"
    paper, authors = settings_of("--ttd_settings", given).ttd_settings
    assert paper == TTD("paper")
    assert authors == TTD("authors", form=["exp", "sigmoid"])


METHODS = ["ifcnn", "MAX=ifcnn@max.pth"]


@pytest.mark.parametrize(
    "argv",
    [
        ["--methods", *METHODS],
        ["--methods", *METHODS, "--seed", "3"],
        ["--methods", "[ifcnn, MAX=ifcnn@max.pth]"],
        ["--methods=[ifcnn, MAX=ifcnn@max.pth]"],
    ],
)
def test_methods_are_words_or_a_list(settings_of, argv):
    assert settings_of(*argv).methods == METHODS


def test_a_method_may_be_a_mapping(settings_of):
    method = Method("ifcnn", "sum.pth", {"rule": "sum"}, name="SUM", colour="luma")
    text = "{network: ifcnn, checkpoint: sum.pth, options: {rule: sum}, name: SUM, colour: luma}"
    assert settings_of("--methods", f"[ifcnn, {text}]").methods == ["ifcnn", method]
    assert settings_of("--methods", "ifcnn", text).methods == ["ifcnn", method]


def test_the_short_form_of_a_method():
    assert Method.parse("MAX=ifcnn@max.pth") == Method("ifcnn", "max.pth", name="MAX")
    assert Method.parse("ifcnn@https://a.org/x?a=b") == Method("ifcnn", "https://a.org/x?a=b")


@pytest.mark.parametrize("argv", [["--fused", "a", "b c"], ["--fused", '[a, "b c"]']])
def test_fused_folders_are_words_or_a_list(settings_of, argv):
    assert settings_of(*argv).fused == ["a", "b c"]


def test_conditions(settings_of):
    text = "[{name: mask, source: vi, severities: [1]}]"
    settings = settings_of("--conditions.corruption", text, "--conditions.limit", "2").conditions
    assert settings.corruption == [Corruption("mask", "vi", [1])]
    assert settings.limit == 2
    assert settings_of("--conditions.subsets", '{day: "*D"}').conditions.subsets == {"day": "*D"}
    noise = settings_of("--conditions.parameter_noise", "[0, 0.1]").conditions.parameter_noise
    assert noise == [0, 0.1]


def test_switches_stand_without_a_value(settings_of):
    settings = settings_of("--theorem", "--pictures", "--report", "false")
    assert (settings.theorem, settings.pictures, settings.report) == (True, True, False)


def test_the_line_overrides_the_config_and_null_switches_ttd_off(settings_of, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("ttd: {loss: mse}\ndata: {batch_size: 3, workers: 1}\nmethods: [ifcnn]\n")
    assert settings_of("--config", str(config)).ttd.loss == "mse"
    argv = ["--config", str(config), "--ttd", "null", "--methods", "null"]
    settings = settings_of(*argv, "--data.batch_size", "2")
    assert (settings.ttd, settings.methods) == (None, None)
    assert (settings.data.batch_size, settings.data.workers) == (2, 1)


EVERYTHING = [
    *("--network.options.rule", "mean", "--data.sources", "[a, b]", "--data.root", "x"),
    *("--ttd.preset", "[paper, authors]", "--ttd.loss", "l1", "--fused", "c", "d"),
    *("--conditions.corruption", "[{name: jpeg, severities: [2]}]", "--title", "Title: é"),
]
SEVERAL = [
    *("--methods", "[ifcnn, {network: densefuse, checkpoint: g.model}]"),
    *("--ttd_settings", "[{preset: paper, loss: [l1, mse]}, {preset: structure}]"),
]


@pytest.mark.parametrize("argv", [EVERYTHING, SEVERAL, []])
def test_a_printed_config_is_read_back(settings_of, capsys, tmp_path, argv):
    with pytest.raises(SystemExit) as stop:
        settings_of(*argv, "--print_config")
    assert stop.value.code == 0
    config = tmp_path / "config.yaml"
    config.write_text(capsys.readouterr().out, "utf-8")
    read, typed = settings_of("--config", str(config)), settings_of(*argv)
    del read.config, typed.config
    assert read == typed


@pytest.mark.parametrize("argv", [EVERYTHING, SEVERAL, ["--ttd"]])
def test_the_config_of_a_run_repeats_it(understood, tmp_path, argv):
    settings, text = understood(*argv)
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    again, text_again = understood("--config", str(tmp_path / "config.yaml"))
    assert text_again == text
    del settings.config, again.config
    assert again == settings


def test_the_config_of_a_run_has_what_presets_filled_in(understood):
    stored = yaml.safe_load(understood("--ttd")[1])
    assert stored["ttd"] == {"preset": "paper", **TTD_PRESETS["paper"]}
    (stored,) = yaml.safe_load(understood("--ttd_settings", "[{preset: authors}]")[1])[
        "ttd_settings"
    ]
    assert stored == {"preset": "authors", **TTD_PRESETS["authors"]}
    assert "class_path" not in str(stored)


def test_train_reads_the_config_of_an_evaluation(understood, tmp_path):
    (tmp_path / "config.yaml").write_text(understood("--ttd", "--seed", "3")[1])
    settings, _ = understood("--config", str(tmp_path / "config.yaml"), command="train")
    assert settings.seed == 3
    assert settings.ttd == TTD()


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_found_by_name_and_understood(understood, name):
    command = "evaluate" if name.startswith(("experiments/", "tables/")) else "train"
    settings, text = understood("--config", name, command=command)
    assert settings.network.name in text


def test_configs_hold_decisions_only():
    for path in sorted(config_folder().rglob("*.yaml")):
        assert yaml.safe_load(path.read_text()), path
        assert path.read_text().startswith("# "), f"{path} does not say what it is"


def test_a_file_comes_before_a_recipe(settings_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ifcnn").write_text("seed: 7\n")
    assert settings_of("--config", "ifcnn").seed == 7
    assert settings_of("--config=ifcnn").seed == 7


def test_presets_set_everything():
    settable = set(TTD.__dataclass_fields__) - {"preset"}
    assert all(set(preset) == settable for preset in TTD_PRESETS.values())
