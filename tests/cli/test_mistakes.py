"""A mistake is one line that names the key and what is known, and exit code 2."""

import subprocess
import sys

import pytest

from fusionlab.cli.messages import one_line

BOTH = [
    (
        ["--network.name", "ifcn"],
        ["network.name must be one of", " densefuse, ", "'ifcn'; did you mean ifcnn?"],
    ),
    (["--network.nme", "ifcnn"], ["no option network.nme; network takes name, checkpoint"]),
    (["--data.batch_size", "many"], ["data.batch_size must be a whole number, got many"]),
    (["--data.batch_size", "0"], ["data.batch_size", "at least 1", "0"]),
    (["--data.task", "vis"], ["data.task must be one of vif, mif, mef, mff, got vis"]),
    (["--data.layot", "auto"], ["no option data.layot; data takes root, name"]),
    (["--data.layout", "subfolder"], ["data.layout must be one of subfolders, scenes, suffixes"]),
    (["--training.lr", "-1"], ["training.lr", "-1"]),
    (["--training.batch_size", "0"], ["training.batch_size", "at least 1"]),
    (["--training.objective", "ifcn"], ["training.objective", "densefuse, ", "ifcnn, ", "'ifcn'"]),
    (["--metrics.preset", "foo"], ["metrics.preset must be one of ttd, vifb", "got foo"]),
    (
        ["--ttd.form", "cubic"],
        ["ttd.form must be one of exp, linear, sigmoid or a list, got cubic"],
    ),
    (["--ttd.form", "[exp, cubic]"], ["ttd.form", "sigmoid", "'cubic'"]),
    (["--ttd.form", "{a: 1}"], ["ttd.form must be one of exp, linear, sigmoid or a list"]),
    (["--ttd.loss", "l3"], ["ttd.loss must be one of l1, mse, ssim, structure, objective"]),
    (["--ttd.preset", "[paper, papr]"], ["ttd.preset", "paper, authors, structure", "'papr'"]),
    (["--ttd.preset", "[]"], ["ttd.preset is an empty list"]),
    (["--ttd.lss", "l1"], ["no option ttd.lss; ttd takes preset, basis"]),
    (["--ttd", "{lss: l1}"], ["no option ttd.lss; ttd takes preset, basis"]),
    (["--ttd", "true"], ["ttd must be a mapping of its options, {} for the defaults"]),
    (["--ttd.temperature", "hot"], ["ttd.temperature", "number or auto", "hot"]),
    (["--ttd.channel", "58"], ["ttd.channel", "set ttd.basis to gradient"]),
    (["--ttd.basis", "gradient", "--ttd.channel", "best"], ["ttd.channel", "mean, auto", "best"]),
    (["--ttd.temperature", "-1"], ["ttd.temperature", "at least 0"]),
    (["--ttd.temperature", "inf"], ["ttd.temperature", "inf"]),
    (["--ttd.form", "linear", "--ttd.normalization", "none"], ["ttd.form", "softmax"]),
    (["--seed", "-1"], ["seed", "-1"]),
    (["--trainer.max_epochs", "0"], ["trainer.max_epochs", "at least 1"]),
    (["--trainer.max_epochs", "1.5"], ["trainer.max_epochs must be a whole number, got 1.5"]),
    (["--trainer.limit_test_batches", "0"], ["trainer.limit_test_batches", "above 0"]),
    (["--data.reference", "gt"], ["data.reference", "data.root"]),
    (["--data.sources", "[a, b]"], ["data.sources", "data.root"]),
    (["--data.sources", "a", "--data.root", "x"], ["data.sources must be a list, got a"]),
    (["--data.sources", "[a, a]", "--data.root", "x"], ["data.sources", "different"]),
    (["--training.hold_batch_norm", "5"], ["training.hold_batch_norm", "at most 1"]),
    (["--config", "nowhere.yaml"], ["no file nowhere.yaml; the recipes are", "experiments/grid"]),
    (["--config", "ifcn"], ["no file ifcn; the recipes are", ", ifcnn,", "; did you mean ifcnn?"]),
    (["--plugin", "nowhere.py"], ["no plugin nowhere.py"]),
    (["--resume", "nowhere"], ["no config.yaml in nowhere"]),
    (["--wandb", "yes"], ["wandb must be one of online, offline, disabled, got yes"]),
    (["--nothing", "3"], ["no option nothing; there are", "network, data"]),
    (["ifcnn"], ["unrecognized arguments: ifcnn"]),
]


@pytest.mark.parametrize("command", ["train", "evaluate"])
@pytest.mark.parametrize(("argv", "expected"), BOTH)
def test_of_both_programs(refused, command, argv, expected):
    line = refused(command, *argv)
    assert line.startswith(f"fusionlab {command}: error: ")
    assert [part for part in expected if part not in line] == []


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--methods", "[{network: ifcn}]"], ["methods.network must be one of", "'ifcn'"]),
        (["--methods", "[{netwrk: ifcnn}]"], ["no option methods.netwrk; methods takes network"]),
        (["--methods", "[{network: ifcnn, stretch: a}]"], ["methods.stretch must be true or fals"]),
        (["--methods", "[{network: ifcnn, colour: blue}]"], ["methods.colour", "auto, luma, rgb"]),
        (["--methods"], ["--methods"]),
        (["--ttd_settings", "{preset: paper}"], ["ttd_settings must be a list"]),
        (["--ttd_settings", "[{prest: paper}]"], ["no option ttd.prest; ttd takes preset"]),
        (["--ttd_settings", "[{loss: l3}]"], ["ttd.loss must be one of", "'l3'"]),
        (["--conditions.limit", "0"], ["conditions.limit must be at least 1, got 0"]),
        (["--conditions.noise", "[1]"], ["no option conditions.noise; conditions takes parameter"]),
        (["--conditions.corruption", "{name: jpeg}"], ["conditions.corruption must be a list"]),
        (["--conditions.corruption", "[{nam: a}]"], ["conditions.corruption takes name, source"]),
        (["--conditions.corruption", "[{name: a}]"], ["conditions.corruption.name", "jpeg", "a"]),
        (["--conditions.parameter_noise", "[a]"], ["conditions.parameter_noise", "a number"]),
    ],
)
def test_of_evaluate(refused, argv, expected):
    line = refused("evaluate", *argv)
    assert [part for part in expected if part not in line] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("netwrk: {name: ifcnn}\n", ["no option netwrk.name; there are", "network, data"]),
        ("network: {nme: ifcnn}\n", ["no option network.nme; network takes name"]),
        ("data: {workers: few}\n", ["data.workers must be a whole number, got few"]),
        ("data: {root: [1\n", ["config.yaml"]),
        ("ttd: true\n", ["ttd must be a mapping", "{}"]),
        ("ttd: {gamma: 3}\n", ["no option ttd.gamma; ttd takes preset"]),
        ("seed: null\n", ["seed"]),
        ("data: [1, 2]\n", ["data must be a mapping"]),
        ("trainer: [1]\n", ["trainer must be a mapping"]),
        ("conditions: {limt: 1}\n", ["no option conditions.limt"]),
        ("methods: ifcnn\n", ["methods must be a list, got ifcnn"]),
        ("methods: [{network: ifcnn, nam: x}]\n", ["no option methods.nam"]),
        ("fused: avg\n", ["fused must be a list, got avg"]),
        ("plugin: nowhere.py\n", ["no plugin nowhere.py"]),
    ],
)
def test_in_a_config(refused, tmp_path, text, expected):
    (tmp_path / "config.yaml").write_text(text)
    line = refused("evaluate", "--config", tmp_path / "config.yaml")
    assert [part for part in expected if part not in line] == []


@pytest.mark.slow
def test_a_run_that_goes_on_cannot_change(understood, refused, tmp_path):
    (tmp_path / "config.yaml").write_text(understood("--methods", "ifcnn", "--ttd")[1])
    (tmp_path / "summary.json").touch()
    settings, _ = understood("--resume", str(tmp_path))
    assert settings.methods == ["ifcnn"]
    for argv in (["--methods", "densefuse"], ["--ttd.loss", "mse"], ["--seed", "1"]):
        line = refused("evaluate", "--resume", tmp_path, *argv)
        assert f"{argv[0][2:].split('.')[0]} was " in line
        assert "leave it out or start anew" in line


def test_a_plain_message_stays_as_it_is():
    assert one_line("data.root is empty") == "data.root is empty"


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["train", "--lr", "1"], "did you mean --training.lr?"),
        (["evaluate", "--root", "DIR"], "did you mean --data.root or --training.root?"),
        (["evaluate", "--ttdd"], "did you mean --ttd?"),
        (["evaluate", "--data.rot", "x"], "did you mean --data.root?"),
        (["evaluate", "--network=densefuse"], "did you mean --network.name densefuse?"),
        (["evaluate", "--data", "tno"], "did you mean --data.root tno?"),
        (["evaluate", "--ttd.los", "l1"], "did you mean ttd.loss?"),
    ],
)
def test_near_misses_name_what_is_meant(refused, argv, meant):
    assert refused(*argv).endswith(meant)


@pytest.mark.parametrize("name", ["trainer.deterministic", "training.compile"])
def test_claims_are_flags(settings_of, name):
    group, key = name.split(".")
    assert getattr(getattr(settings_of(f"--{name}"), group), key) is True
    assert getattr(getattr(settings_of(f"--{name}", "false"), group), key) is False


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["evaluate", "--data.root", "nowhere"], "no folder nowhere; set data.root"),
        (["evaluate", "--fused", "nowhere"], "no folder nowhere; set fused"),
        (["evaluate", "--weights", "nowhere"], "weights: no folder nowhere"),
        (["evaluate", "--network.checkpoint", "a.pth"], "no checkpoint at a.pth"),
        (["train", "--training.root", "nowhere"], "no folder nowhere; set training.root"),
        (["fuse", "a.png", "b.png", "-o", "c.png"], "no file or folder a.png"),
        (["figures", "rd", "--data.root", "nowhere"], "no folder nowhere; set data.root"),
    ],
)
def test_what_is_not_there_is_said_before_torch_is_imported(argv, said):
    asked = "print('torch' in sys.modules)"
    code = f"import sys, fusionlab.cli as c\ntry: c.main({argv})\nfinally: {asked}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said in ended.stderr
    assert ended.stdout == "False\n"
