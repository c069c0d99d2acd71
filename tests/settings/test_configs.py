"""Config files say what they mean, or are refused."""

import os
import time
from pathlib import Path

import pytest
import yaml

import evaluate
from fusionlab.cli.parser import Parser, add_config, add_groups, new_parser, understood
from fusionlab.errors import InputError
from fusionlab.settings.configs import OPEN, with_configs


def parser() -> Parser:
    made = new_parser("train", "", "")
    add_config(made)
    add_groups(made)
    return made


def settings(*argv: object):
    return understood(parser(), [str(one) for one in argv])[1]


@pytest.fixture
def config(tmp_path):
    def write(text: str, name: str = "a.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_the_open_mappings_are_those_of_any_keys():
    assert {"network.options", "training.options", "conditions.subsets"} <= set(OPEN)
    assert "network.name" not in OPEN


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("training: {lr: 1.0}\ntrainer: {max_epochs: 3}\ntraining: {crop_size: 64}\n", "training"),
        ("trainer:\n  max_epochs: 3\n  max_epochs: 30\n", "max_epochs"),
        ("network: {options: {rule: mean, rule: max}}\n", "rule"),
    ],
)
def test_what_comes_twice_is_refused(text, key, config, capsys):
    path = config(text)
    with pytest.raises(SystemExit) as stop:
        settings("--config", path)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert f"{key} comes twice (line " in line


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "training:\n", "training:\n  # lr: 1\n"])
def test_what_says_nothing_changes_nothing(text, config):
    assert settings("--config", config(text)) == settings()


def test_open_mappings_are_merged_key_by_key_in_the_order_of_the_line(config):
    one = config("network: {options: {rule: mean, normalize: none}}\nseed: 3\n", "one.yaml")
    two = config("network: {options: {normalize: imagenet}}\n", "two.yaml")
    found = settings("--config", one, "--seed", 4, "--config", two)
    assert found.network.options == {"rule": "mean", "normalize": "imagenet"}
    assert found.seed == 4
    again = settings("--network.options.rule", "sum", "--network.options", "{normalize: imagenet}")
    assert again.network.options == {"rule": "sum", "normalize": "imagenet"}
    last = settings("--config", two, "--config", one, "--network.options.rule", "max")
    assert last.network.options == {"rule": "max", "normalize": "none"}


def test_ttd_of_two_configs_is_merged(config):
    one, two = config("ttd: {loss: mse}\n", "1.yaml"), config("ttd: {temperature: 7}\n", "2.yaml")
    found = settings("--config", one, "--config", two).ttd
    assert (found.loss, found.temperature) == ("mse", 7)


def test_numbers_stay_as_they_are_written(config):
    found = settings("--config", config("training: {lr: 1e-4}\nseed: 0x10\n"))
    assert found.training.lr == 1e-4
    assert found.seed == 16


BOMB = "a0: &a0 [1, 1]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 40))


@pytest.mark.parametrize(
    "text", [BOMB, "[" * 5000, "a: &a [*a]\n", "a: [1\n", "- 1\n", "\x00"], ids=range(6)
)
def test_what_is_no_config_is_refused_at_once(text, config):
    path, start = config(text), time.process_time()
    with pytest.raises(InputError, match=str(path)) as refused:
        with_configs(["--config", str(path)])
    assert "\n" not in str(refused.value)
    assert time.process_time() - start < 2


def test_the_home_folder_is_found_in_every_path(config, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    text = "output: ~/runs\ndata: {root: ~/d}\nnetwork: {checkpoint: ~/x.pth}\n"
    found = settings("--config", config(text), "--training.root=~/photos")
    home = str(tmp_path)
    assert found.output == os.path.join(home, "runs")  # noqa: PTH118 (as text)
    assert (found.data.root, found.training.root) == (f"{home}/d", f"{home}/photos")
    assert found.network.checkpoint == f"{home}/x.pth"


def test_an_evaluation_refuses_the_config_of_a_training(config, refused):
    from fusionlab.settings.yaml_text import TRAINED

    path = config(f"{TRAINED}\n{yaml.safe_dump({'network': {'name': 'ifcnn'}})}")
    line = refused(evaluate, "--config", path)
    assert str(path) in line
    assert "--network.checkpoint" in line
