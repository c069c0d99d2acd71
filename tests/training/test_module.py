"""FusionModule in a user's own Trainer, with plain loaders."""

import json
import os
import subprocess
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from fusionlab.data.batches import collate
from fusionlab.data.crops import MultiFocusCrops
from fusionlab.errors import InputError
from fusionlab.evaluation.api import evaluate
from fusionlab.fusing import Fuser
from fusionlab.metrics import Entropy
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.settings import TTD, Training
from fusionlab.training.module import FusionModule

from .conftest import Noise, quiet_trainer

AUTO = TTD("structure", basis="gradient", channel="auto")
CROPS = MultiFocusCrops([torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))], 16, 64)
ROOT = Path(__file__).parents[2]


class Mean(FusionNetwork):
    """The mean of the sources; a toy without parameters or a name."""

    def encode(self, sources):
        return sources

    def combine(self, features, gain=None):
        return (features if gain is None else features * gain).mean(1)

    def decode(self, combined, sources):
        return combined


class Plain(L.LightningDataModule):
    """A user's own data module."""

    def test_dataloader(self):
        return loader(Noise(), batch_size=2)


def loader(dataset, **options) -> DataLoader:
    return DataLoader(dataset, collate_fn=collate, **options)


@pytest.fixture
def network() -> FusionNetwork:
    torch.manual_seed(0)
    return create_network("ifcnn")


def fitted(module: FusionModule, folder: Path | None = None, **options) -> L.Trainer:
    """Three steps on crops, with the user's own loader and Trainer."""
    if folder is not None:
        options = {"enable_checkpointing": True, "default_root_dir": folder, **options}
    trainer = quiet_trainer(max_steps=3, **options)
    trainer.fit(module, DataLoader(CROPS, batch_size=2))
    return trainer


def test_test_returns_what_the_bench_measures(network):
    module = FusionModule(network, ttd=TTD())
    (found,) = quiet_trainer().test(module, datamodule=Plain(), verbose=False)
    (result,) = evaluate({"net": network}, Noise(), ttd="paper")["results"]
    expected = {f"test/{name}": mean for name, mean in result["means"]["net"].items()}
    dynamic = result["means"]["net+TTD"]
    expected |= {f"test/ttd/{name}": mean for name, mean in dynamic.items()}
    assert set(found) == set(expected)
    assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)  # Lightning logs float32
    assert "test/ttd/PSNR_truth" in found


def test_a_metric_against_the_truth_is_logged_where_there_is_one():
    (found,) = quiet_trainer().test(
        FusionModule(Mean(), metrics=["EN"]), loader(Noise(truth=False)), verbose=False
    )
    assert list(found) == ["test/EN"]


@pytest.mark.parametrize("ttd", [(), "paper", AUTO], ids=["static", "paper", "auto"])
def test_predict_gives_the_pictures_of_a_fuser(network, ttd):
    data = Noise(count=5)
    module = FusionModule(network, ttd=ttd, stretch=True)
    found = quiet_trainer().predict(module, loader(data))
    fuser = Fuser(network, "vif", stretch=True)
    settings = TTD(ttd) if isinstance(ttd, str) else ttd or None
    if settings is not None:
        settings = fuser.calibrate(data, settings)
    for (picture,), sample in zip(found, data, strict=True):
        expected = fuser(sample, settings)
        assert torch.equal(picture.fused, expected.fused)
        assert torch.equal(picture.output, expected.output)
        assert picture.source_names == ("vi", "ir")
        if settings is not None:
            assert torch.equal(picture.rd, expected.rd)
            assert torch.equal(picture.losses, expected.losses)


def test_predict_takes_batches_and_one_setting_only(network):
    (pictures,) = quiet_trainer().predict(FusionModule(network), loader(Noise(), batch_size=3))
    assert [picture.fused.shape for picture in pictures] == [(3, 16, 16)] * 3
    module = FusionModule(network, ttd=["paper", "structure"])
    with pytest.raises(InputError, match="one setting of ttd"):
        quiet_trainer().predict(module, loader(Noise()))


def test_each_data_set_and_each_setting_has_its_own_numbers():
    settings = [TTD("structure", temperature=1.0), TTD("structure", temperature=50.0)]
    module = FusionModule(Mean(), ttd=settings, metrics=["EN"])
    data = [Noise(truth=False), Noise(truth=False, name="more", seed=1)]
    found, _ = quiet_trainer().test(module, [loader(one) for one in data], verbose=False)
    names = ("EN", "ttd (γ 1)/EN", "ttd (γ 50)/EN")
    assert list(found) == [f"test/{one.name}/{name}" for one in data for name in names]
    assert len(set(found.values())) == 6


@pytest.mark.slow
def test_ttd_is_calibrated_on_each_data_set(network):
    module = FusionModule(network, ttd=AUTO, metrics=["EN"])
    data = [Noise(), Noise(name="dim", seed=1)]
    data[1].pixels = data[1].pixels / 4
    quiet_trainer().test(module, [loader(one) for one in data], verbose=False)
    for scores, dataset in zip(module.scores, data, strict=True):
        (calibrated,) = scores.ttd.values()
        assert calibrated == Fuser(network, "vif").calibrate(dataset, AUTO)
    first, second = (next(iter(scores.ttd.values())) for scores in module.scores)
    assert first.temperature != second.temperature


@pytest.mark.parametrize("options", [{"batch_size": 3}, {"sampler": [2, 0, 1, 2, 0]}])
def test_neither_batches_nor_repeated_samples_change_a_mean(options):
    """A distributed sampler repeats samples so that all processes have as many."""
    module = FusionModule(Mean(), metrics=["EN"])
    (expected,) = quiet_trainer().test(module, loader(Noise()), verbose=False)
    assert quiet_trainer().test(module, loader(Noise(), **options), verbose=False) == [expected]


@pytest.mark.slow
def test_two_processes_find_the_means_of_one(tmp_path):
    """The sampler that Lightning puts in repeats the third sample."""
    script = tmp_path / "two.py"
    script.write_text(
        "import json, sys\n"
        "from tests.training.test_module import FusionModule, Noise, loader, quiet_trainer\n"
        "trainer = quiet_trainer(devices=int(sys.argv[1]), strategy=sys.argv[2])\n"
        "module = FusionModule('ifcnn', checkpoint='bundled', ttd='paper')\n"
        "found = trainer.test(module, loader(Noise()), verbose=False)\n"
        "if trainer.is_global_zero: print(json.dumps(found))\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    found = []
    for devices, strategy in (("1", "auto"), ("2", "ddp")):
        command = [sys.executable, str(script), devices, strategy]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment, timeout=300
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert found[0] == found[1]
    assert "test/ttd/PSNR_truth" in found[0][0]


def test_a_data_set_without_a_task_needs_one():
    part = loader(Subset(Noise(), [0, 2]))
    with pytest.raises(InputError, match="give FusionModule a task"):
        quiet_trainer().test(FusionModule(Mean()), part, verbose=False)
    module = FusionModule(Mean(), metrics=["EN"], ttd=TTD("structure"), task="vif")
    (found,) = quiet_trainer().test(module, part, verbose=False)
    assert "test/EN" in found


def test_what_was_trained_loads_again(network, tmp_path):
    """Weights, options, settings and metrics, in a file without any code."""
    module = FusionModule(network, ttd=AUTO, metrics=["EN:ttd", "ag:mefb"], colour="luma")
    trainer = fitted(module, tmp_path)
    path = trainer.checkpoint_callback.best_model_path
    assert torch.load(path, weights_only=True)["hyper_parameters"]["network"] == "ifcnn"
    loaded = FusionModule.load_from_checkpoint(path, weights_only=True)
    assert dict(loaded.hparams) == dict(module.hparams)
    assert list(loaded.methods.ttd.values()) == [AUTO]
    assert [metric.convention_name for metric in loaded.scorer.fusion.metrics] == ["ttd", "mefb"]
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value)
    (one,), (other,) = (
        quiet_trainer().predict(which, loader(Noise(count=1))) for which in (loaded, module)
    )
    assert torch.equal(one[0].fused, other[0].fused)
    other_network = create_network("ifcnn")
    assert FusionModule.load_from_checkpoint(path, network=other_network).network is other_network


def test_every_metric_loads_again():
    module = FusionModule(Mean(), metrics="all")
    again = FusionModule(Mean(), metrics=module.hparams["metrics"])
    assert again.hparams["metrics"] == module.hparams["metrics"]


def test_a_network_by_name_has_its_options_and_weights():
    module = FusionModule("ifcnn", checkpoint="bundled")
    assert module.network.checkpoint["path"] == "bundled"
    assert FusionModule("ifcnn", options={"rule": "sum"}).network.rule == "sum"
    with pytest.raises(InputError, match="given by name"):
        FusionModule(create_network("ifcnn"), options={"rule": "sum"})
    with pytest.raises(InputError, match="given by name"):
        FusionModule(create_network("ifcnn"), checkpoint="bundled")


def test_a_network_in_evaluation_mode_is_trained_in_training_mode(network):
    norm = next(one for one in network.modules() if isinstance(one, nn.BatchNorm2d))
    before = norm.running_mean.clone(), network.conv2.conv.weight.detach().clone()
    fitted(FusionModule(network))
    assert not torch.equal(norm.running_mean, before[0])
    assert not torch.equal(network.conv2.conv.weight, before[1])


def test_the_objective_is_the_network_s_own_or_as_told(network):
    module = FusionModule(network, training=Training(lr=1e-3))
    fitted(module)
    assert module.objective.name == "ifcnn"
    with pytest.raises(InputError, match=r"training\.objective is none"):
        fitted(FusionModule(network, training=Training(objective="none")))
    with pytest.raises(InputError, match="no objective of its own"):
        fitted(FusionModule(Mean()))
    with pytest.raises(InputError, match="unknown objective"):
        fitted(FusionModule(network, objective="mine"))


def test_validation_logs_static_and_dynamic_means(network):
    module = FusionModule(network, ttd="paper", metrics=[Entropy()])
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(module, DataLoader(Subset(CROPS, range(4)), batch_size=2), loader(Noise()))
    logged = trainer.callback_metrics
    expected = {"val/EN", "val/PSNR_truth", "val/SSIM_truth", "val/PSNR-affine_truth"}
    expected |= {name.replace("val/", "val/ttd/") for name in expected}
    assert {name for name in logged if name.startswith("val/")} == expected
    (again,) = quiet_trainer().validate(module, loader(Noise()), verbose=False)
    assert again == {name: logged[name].item() for name in expected}
