"""DDFM against its authors' EM step and sampler, and its prior against the published key list."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.testing import assert_close

import fusionlab.networks.ddfm as module
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.networks.ddfm import DDFM, Likelihood, schedule
from fusionlab.networks.guided_diffusion import AttentionBlock, ResidualBlock, step_embedding
from fusionlab.viewing import stretched
from tests.networks import references

TINY = {"width": 32, "levels": 2, "blocks": 1, "steps": 2}


class Stub(nn.Module):
    """In place of the prior, as in the references."""

    def forward(self, x: Tensor, step: int) -> Tensor:
        scale = 0.6 + 0.3 * math.sin(step / 100)
        found = scale * x + 0.1 * x.roll(1, 3) - 0.05 * x.roll(1, 2)
        return torch.cat((found, torch.zeros_like(found)), 1)


@pytest.mark.parametrize("name", ["tno01", "odd"])
def test_four_steps_of_the_authors_likelihood(name, shared):
    given = references.read(shared / "reference" / "networks" / f"ddfm_em_{name}.npz")
    likelihood = Likelihood(given["I"], given["V"])
    for k, fused in enumerate(given["f_pre"].split(1)):
        found = likelihood.step(fused)
        assert (found - given["f_out"][k]).abs().max() < 1e-6
        assert [one.item() for one in likelihood.tau] == pytest.approx(
            [given["tau_a"][k].item(), given["tau_b"][k].item()], abs=1e-6
        )
    for ours, theirs in zip(likelihood.gradients, ("F1_last", "F2_last"), strict=True):
        assert (ours - given[theirs]).abs().max() < 1e-8


@torch.no_grad()
def test_the_authors_sampler_with_a_stub(shared, monkeypatch):
    given = references.read(shared / "reference" / "networks" / "ddfm_stub_tno01.npz")
    kept, shares = schedule(100)
    assert kept == given["timesteps"].tolist()
    assert shares == pytest.approx(given["alphas_cumprod"].double().numpy(), rel=1e-6)
    network = create_network("ddfm", **{**TINY, "steps": 100})
    network.prior = Stub()
    seen = []
    denoise = network._denoise
    monkeypatch.setattr(network, "_denoise", lambda *x: seen.append(denoise(*x)) or seen[-1])
    pair = torch.stack((given["I"], given["V"]), 1)
    assert torch.equal(network.noise(pair), given["x_start"])
    sampled = network.sample(pair)
    assert (sampled - given["sample"]).abs().max() < 2e-5  # a hundred steps; 4.3e-6 after 50
    for count in (1, 2, 10, 50):
        assert (seen[count - 1] - given[f"after_{count}"]).abs().max() < 1e-5
    fused = stretched(network(pair / 2 + 0.5))
    assert (fused - given["static"]).abs().max() < 1e-5
    assert network.min_max_stretch


def test_the_prior_has_the_published_keys(shared):
    listed = {}
    for line in (shared / "facts" / "ddfm_unet_keys.txt").read_text().splitlines()[1:]:
        key, shape = line.split()
        listed[f"prior.{key}"] = tuple(map(int, shape.split("x")))
    with torch.device("meta"):
        state = DDFM().state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == listed
    assert sum(value.numel() for value in state.values()) == 552_814_086


def test_a_published_prior_loads_strictly(lively, tmp_path):
    network = lively("ddfm", **TINY)
    published = {k.removeprefix("prior."): v for k, v in network.state_dict().items()}
    path = tmp_path / "256x256_diffusion_uncond.pt"
    torch.save(published, path)
    loaded = create_network("ddfm", path, **TINY)
    assert all(torch.equal(published[k], v) for k, v in loaded.prior.state_dict().items())
    published["other"] = published.pop("out.2.bias")
    torch.save(published, path)
    with pytest.raises(InputError, match=r"missing: prior\.out\.2\.bias; surplus: prior\.other"):
        create_network("ddfm", path, **TINY)


def test_steps_have_an_embedding_by_cosines_and_sines():
    found = step_embedding(7, 4).flatten().tolist()
    expected = [math.cos(7), math.cos(0.07), math.sin(7), math.sin(0.07)]
    assert found == pytest.approx(expected, rel=1e-6)


@torch.no_grad()
def test_a_residual_block_is_told_the_step_between_its_convolutions():
    block = ResidualBlock(32, 64, 8)
    x, embedding = torch.randn(1, 32, 6, 6), torch.randn(1, 8)
    first = block.in_layers[2](F.silu(F.group_norm(x, 32, *block.in_layers[0].parameters())))
    scale, shift = block.emb_layers[1](F.silu(embedding)).view(2, 64, 1, 1)
    normed = F.group_norm(first, 32, *block.out_layers[0].parameters())
    second = block.out_layers[3](F.silu(normed * (1 + scale) + shift))
    assert_close(block(x, embedding), block.skip_connection(x) + second)


@torch.no_grad()
@pytest.mark.parametrize("resize", ["up", "down"])
def test_a_residual_block_resizes_before_its_first_convolution(resize):
    block = ResidualBlock(32, 32, 8, resize)
    x, embedding = torch.randn(1, 32, 4, 6), torch.randn(1, 8)
    same = ResidualBlock(32, 32, 8)
    same.load_state_dict(block.state_dict())

    def resized(y):
        return (
            F.avg_pool2d(y, 2)
            if resize == "down"
            else y.repeat_interleave(2, 2).repeat_interleave(2, 3)
        )

    activated = F.silu(F.group_norm(x, 32, *block.in_layers[0].parameters()))
    first = block.in_layers[2](resized(activated))
    scale, shift = block.emb_layers(embedding).view(2, 32, 1, 1)
    second = block.out_layers[1:](block.out_layers[0](first) * (1 + scale) + shift)
    assert_close(block(x, embedding), resized(x) + second)


@torch.no_grad()
def test_heads_come_before_queries_keys_and_values():
    """The order of the published weights: of head 1 its 64 q, 64 k and 64 v, then head 2."""
    block = AttentionBlock(128)
    x = torch.randn(1, 128, 3, 4)
    tokens = block.qkv(block.norm(x.flatten(2)))[0]
    heads = []
    for k in range(2):
        q, key, v = tokens[192 * k : 192 * (k + 1)].split(64)
        heads.append(v @ (q.T @ key / 8).softmax(1).T)
    expected = x + block.proj_out(torch.cat(heads)[None]).view(x.shape)
    assert_close(block(x, torch.empty(0)), expected)


@torch.no_grad()
def test_only_the_luma_of_a_prediction_changes(lively):
    """The authors' way to YCbCr and back: its inverse by NumPy's solver."""
    network = lively("ddfm", **TINY)
    network.prior = Stub()
    pair, x = torch.rand(1, 2, 1, 8, 8) * 2 - 1, torch.randn(1, 3, 8, 8)
    share, before = 0.6, 0.8
    noise = Stub()(x, 3)[:, :3]
    clean = (x / share**0.5 - (1 / share - 1) ** 0.5 * noise).clamp(-1, 1)
    matrix = torch.tensor(
        [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
    ).double()
    offset = torch.tensor([16.0, 128, 128]).double().view(3, 1, 1)
    colours = (torch.einsum("ij,jhw->ihw", matrix, clean[0].double()) + offset) / 255
    colours[:1] = Likelihood(pair[:, 0], pair[:, 1]).step(colours[None, :1].float())[0]
    expected = torch.einsum("ij,jhw->ihw", matrix.inverse(), 255 * colours - offset).float()
    rest = (x[0] / share**0.5 - expected) / (1 / share - 1) ** 0.5
    expected = before**0.5 * expected + (1 - before) ** 0.5 * rest
    found = network._denoise(x, Likelihood(pair[:, 0], pair[:, 1]), 3, share, before)[0]
    assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_picture_is_the_same_each_time_and_in_any_batch(lively):
    network = lively("ddfm", **TINY)
    sources = torch.rand(3, 2, 1, 9, 12)
    together = network(sources)
    torch.manual_seed(5)
    for one, alone in zip(together, sources.split(1), strict=True):
        assert torch.equal(network(alone)[0], one)
    assert torch.equal(network(sources), together)


@torch.no_grad()
def test_sampling_shows_its_steps(lively, monkeypatch):
    network, told = lively("ddfm", **TINY), []

    class Bar(module.ProgressBar):
        def __init__(self, title, total, *rest, **options):
            told.append((title, total))
            super().__init__(title, total, *rest, **options)

        def advance(self, steps=1):
            told.append(steps)

    monkeypatch.setattr(module, "ProgressBar", Bar)
    network(torch.rand(1, 2, 1, 8, 8))
    assert told == [("Sampling", 2), 1, 1]


def test_the_prior_is_not_trained():
    with FakeTensorMode():
        assert not any(one.requires_grad for one in DDFM(**TINY).parameters())


@pytest.fixture
def checkpoint(lively, tmp_path):
    save_checkpoint(lively("ddfm", **TINY), tmp_path / "ddfm.safetensors")
    return tmp_path / "ddfm.safetensors"


@pytest.mark.slow
def test_evaluation_says_that_there_is_no_ttd_and_goes_on(checkpoint, pairs, run_evaluate, capsys):
    methods = f"[ddfm@{checkpoint}, average]"
    _, summary = run_evaluate("--methods", methods, "--ttd", "--data.root", pairs)
    assert "DDFM: no TTD, since a sampler has no features" in capsys.readouterr().err
    names = [one["name"] for one in summary["methods"] if one["kind"] != "source"]
    assert names == ["DDFM", "Average", "Average+TTD"]


def test_ttd_is_refused_where_there_is_nothing_to_go_on_with(checkpoint):
    fuser = Fuser(create_network("ddfm", checkpoint), "vif")
    with pytest.raises(InputError, match=r"ddfm: no TTD, since .*; fuse statically"):
        fuser([torch.rand(1, 8, 8), torch.rand(1, 8, 8)], "paper")


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"steps": 1001}, {"width": 48}, {"levels": 7}, {"blocks": 1.0}]
)
def test_options_that_cannot_be(options):
    name = next(iter(options))
    with pytest.raises(InputError, match=f"ddfm: {name} must be"):
        create_network("ddfm", **{**TINY, **options})
