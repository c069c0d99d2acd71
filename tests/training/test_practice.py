"""Training as people do it: averages of weights, early stopping, warm-up, frozen parts."""

import re

import pytest
import torch

import train
from fusionlab.networks import create_network
from fusionlab.training.schedules import warming_up

QUICK = ("--metrics.names", "[EN]", "--training.samples_every", "0")


def state(path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.mark.slow
def test_the_average_of_the_weights_is_kept_and_goes_on(run_train):
    plain = run_train(*QUICK)
    folder = run_train(*QUICK, "--training.ema", "0.5")
    stored = torch.load(folder / "last.ckpt", weights_only=True)
    latest = stored["current_model_state"]
    key = "network.conv1.weight" if "network.conv1.weight" in latest else "network.conv4.weight"
    assert torch.equal(latest[key], state(plain / "last.ckpt")[key]), "learning is as without"
    assert not torch.equal(stored["state_dict"][key], latest[key])
    kept = create_network("ifcnn", folder / "ifcnn.safetensors").state_dict()
    best = state(folder / "best.ckpt")
    assert all(torch.equal(value, best[f"network.{key}"]) for key, value in kept.items())
    train.main(["--resume", str(folder), "--trainer.max_epochs", "3"])
    assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == 2


@pytest.mark.slow
def test_a_compiled_training_is_the_same_and_its_checkpoints_load(run_train, monkeypatch):
    """What PyTorch traces is run as it is: to compile it takes half a minute."""
    plain = run_train(*QUICK, "--training.ema", "0.5")
    compiled = []

    def traced(function, options):
        compiled.append(options)
        return trace(function, backend="eager")

    trace = torch.compile
    monkeypatch.setattr(torch, "compile", traced)
    folder = run_train(*QUICK, "--training.ema", "0.5", "--training.compile", "true")
    assert compiled
    one, other = state(folder / "last.ckpt"), state(plain / "last.ckpt")
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)
    create_network("ifcnn", folder / "ifcnn.safetensors")
    create_network("ifcnn", folder / "best.ckpt")


def test_frozen_parts_stay_and_a_single_image_suffices_where_no_batch_norm_learns(run_train):
    start = create_network("ifcnn", "bundled").state_dict()
    argv = [*QUICK, "--network.checkpoint", "bundled", "--training.batch_size", "1"]
    folder = run_train(*argv, "--training.freeze", "[conv1, conv2, conv3]")
    learnt = create_network("ifcnn", folder / "ifcnn.safetensors").state_dict()
    same = {key for key in start if torch.equal(start[key], learnt[key])}
    assert same == {key for key in start if re.match(r"conv[123]\.", key)}


@pytest.mark.slow
def test_training_stops_when_nothing_improves(run_train):
    argv = ["--training.lr", "0", "--training.patience", "2", "--trainer.max_epochs", "9"]
    folder = run_train(*QUICK, *argv, "--training.hold_batch_norm", "0")
    assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == 2


def test_a_part_that_is_not_there_is_named(run_train, capsys):
    with pytest.raises(SystemExit):
        run_train("--training.freeze", "[conv9]")
    line = capsys.readouterr().err.splitlines()[-1]
    assert "training.freeze: no part 'conv9'; there are conv1, conv2" in line


def test_the_rate_rises_for_the_step_alone():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for share in (0.25, 0.5, 2.0):
        weight.grad = torch.ones(1)
        with warming_up(optimizer, share):
            optimizer.step()
        assert optimizer.param_groups[0]["lr"] == 1.0
    assert weight.item() == -1.75


def test_the_share_of_a_test_that_is_no_batch_is_refused_before_training(validation, refused):
    line = refused(train, *validation, "--trainer.limit_test_batches", "0.1")
    assert "trainer.limit_test_batches 0.1 of 1 batches is none" in line
