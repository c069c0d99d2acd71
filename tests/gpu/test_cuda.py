"""Everything that computes, on a CUDA device against the CPU: ``make test-gpu``."""

import pytest
import torch

from fusionlab.fusing import Fuser
from fusionlab.metrics import METRICS, open_metrics
from fusionlab.networks import NETWORKS, create_network
from fusionlab.settings import TTD
from fusionlab.training.datamodule import FusionData
from fusionlab.training.module import FusionModule

from ..training.conftest import Noise, quiet_trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
SIDE = 96  # enough for every network and metric but MS-SSIM
ROUNDING = 2e-3  # in [0, 1]: kernels of a GPU add in another order, through up to 50 layers
SETTINGS = [
    None,
    TTD(),
    TTD(basis="gradient", loss="mse"),  # the gradient of l1 jumps where rounding changes a sign
    TTD("structure", temperature=20.0),
]
HALF_ROUNDING = {torch.bfloat16: 0.1, torch.float16: 0.05}


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def made(name: str):
    torch.manual_seed(0)
    return create_network(name, **NETWORKS[name].small)


def sources(network) -> torch.Tensor:
    count = network.source_count or 2
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 1, SIDE, SIDE, generator=generator)


@pytest.mark.parametrize("ttd", SETTINGS, ids=str)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_fuses_as_on_the_cpu(name, ttd):
    try:
        network = made(name)
        images, task = list(sources(network)), (*network.tasks, "vif")[0]
        expected = Fuser(network, task)(images, ttd).output
    except ValueError as refusal:
        pytest.skip(f"refused on the CPU too: {refusal}")
    found = Fuser(network.cuda(), task)(images, ttd).output.cpu()
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["ifcnn", "cddfuse", "defusion", "defusionpp"])
@pytest.mark.parametrize("kind", HALF_ROUNDING, ids=str)
def test_half_precision_is_the_same_picture(name, kind):
    network = create_network("ifcnn", "bundled") if name == "ifcnn" else made(name)
    images = list(sources(network))
    expected = Fuser(network, "vif")(images, TTD()).output
    fuser = Fuser(network.cuda(), "vif")
    with torch.autocast("cuda", kind):
        found = fuser(images, TTD()).output.cpu()
    torch.testing.assert_close(found, expected, rtol=0, atol=HALF_ROUNDING[kind])


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_scores_as_on_the_cpu(name):
    (metric,) = open_metrics(names=[name])
    side = max(SIDE, metric.minimum_size)
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(256, (1, 3, 1, side, side), generator=generator).float()
    fused, two = levels[:, 0], levels[:, 1:]
    expected = metric.score(fused, two)
    torch.testing.assert_close(
        metric.score(fused.cuda(), two.cuda()).cpu(), expected, rtol=1e-5, atol=1e-6
    )


def test_a_compiled_network_fuses_the_same():
    network = create_network("ifcnn", "bundled").cuda()
    batch = torch.rand(1, 2, 3, SIDE, SIDE, device="cuda")
    with torch.inference_mode():
        torch.testing.assert_close(
            torch.compile(network)(batch), network(batch), rtol=0, atol=ROUNDING
        )


def test_nccl_with_one_device_trains():
    module = FusionModule("ifcnn", checkpoint="bundled")
    data = FusionData([Noise()])
    trainer = quiet_trainer(
        accelerator="gpu", devices=1, strategy="ddp", use_distributed_sampler=False
    )
    (found,) = trainer.validate(module, data, verbose=False)
    (alone,) = quiet_trainer().validate(module.cpu(), FusionData([Noise()]), verbose=False)
    assert found["val/EN"] == pytest.approx(alone["val/EN"], abs=0.05)
