import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork, cddfuse, create_network
from fusionlab.networks.cddfuse import CDDFuse
from fusionlab.ttd import TestTimeDynamicFusion
from fusionlab.viewing import stretched
from tests.networks import contract

# Float32 sums of up to 1728 terms, in another order, through 10 to 15 blocks.
ROUNDING = {"rtol": 0, "atol": 2e-5}

Published = dict[str, dict[str, Tensor]]


def block_shapes(ffn: str, attention: dict[str, tuple[int, ...]], gated) -> dict:
    norms = {f"norm{i}.body.{key}": (64,) for i in (1, 2) for key in ("weight", "bias")}
    into, depthwise, out = gated
    return {
        **norms,
        **{f"attn.{key}": shape for key, shape in attention.items()},
        f"{ffn}.project_in.weight": into,
        f"{ffn}.dwconv.weight": depthwise,
        f"{ffn}.project_out.weight": out,
    }


def below(prefix: str, shapes: dict) -> dict:
    return {f"{prefix}.{key}": shape for key, shape in shapes.items()}


def published_shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    """Keys and shapes of the authors' checkpoint, from the facts of it."""
    restormer = block_shapes(
        "ffn",
        {
            "temperature": (8, 1, 1),
            "qkv.weight": (192, 64, 1, 1),
            "qkv_dwconv.weight": (192, 1, 3, 3),
            "project_out.weight": (64, 64, 1, 1),
        },
        [(256, 64, 1, 1), (256, 1, 3, 3), (64, 128, 1, 1)],
    )
    base = block_shapes(
        "mlp",
        {
            "scale": (8, 1, 1),
            "qkv1.weight": (192, 64, 1, 1),
            "qkv2.weight": (192, 192, 3, 3),
            "proj.weight": (64, 64, 1, 1),
        },
        [(128, 64, 1, 1), (128, 2, 3, 3), (64, 64, 1, 1)],
    )
    node = {"shffleconv.weight": (64, 64, 1, 1), "shffleconv.bias": (64,)}
    for theta in ("phi", "rho", "eta"):
        layers = {0: (64, 32, 1, 1), 3: (64, 1, 3, 3), 5: (32, 64, 1, 1)}
        for i, shape in layers.items():
            node[f"theta_{theta}.bottleneckBlock.{i}.weight"] = shape
    encoder = {"patch_embed.proj.weight": (64, 1, 3, 3), **below("baseFeature", base)}
    decoder = {
        "reduce_channel.weight": (64, 128, 1, 1),
        "output.0.weight": (32, 64, 3, 3),
        "output.2.weight": (1, 32, 3, 3),
    }
    for i in range(4):
        encoder |= below(f"encoder_level1.{i}", restormer)
        decoder |= below(f"encoder_level2.{i}", restormer)
    for i in range(3):
        encoder |= below(f"detailFeature.net.{i}", node)
    parts = {
        "DIDF_Encoder": encoder,
        "DIDF_Decoder": decoder,
        "BaseFuseLayer": base,
        "DetailFuseLayer": below("net.0", node),
    }
    return {part: below("module", shapes) for part, shapes in parts.items()}


@pytest.fixture
def published() -> Published:
    """A checkpoint in the authors' layout; nothing in it is the identity."""
    generator = torch.Generator().manual_seed(0)

    def draw(key: str, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(shape, generator=generator)
        if "norm" in key or "temperature" in key or "scale" in key:
            return 0.3 * noise + (0 if key.endswith("bias") else 1)
        return 0.8 * noise / max(1, noise[0].numel()) ** 0.5  # more, and sigmoids saturate

    return {
        part: {key: draw(key, shape) for key, shape in shapes.items()}
        for part, shapes in published_shapes().items()
    }


@pytest.fixture
def file(published, tmp_path) -> Path:
    """That checkpoint, in a file."""
    torch.save(published, tmp_path / "CDDFuse_IVF.pth")
    return tmp_path / "CDDFuse_IVF.pth"


@pytest.fixture
def network(file) -> FusionNetwork:
    torch.manual_seed(0)  # for the images
    return create_network("cddfuse", file)


class PlainCDDFuse:
    """CDDFuse as the paper draws it: one pass per source, every layer by itself."""

    def __init__(self, published: Published) -> None:
        self.state = {
            key.replace("module", part): value
            for part, content in published.items()
            for key, value in content.items()
        }

    def conv(self, x: Tensor, key: str, **options) -> Tensor:
        return F.conv2d(x, self.state[f"{key}.weight"], **options)

    def norm(self, x: Tensor, key: str) -> Tensor:
        mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
        gain, bias = (
            self.state[f"{key}.body.{name}"][:, None, None] for name in ("weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * gain + bias

    def attention(self, qkv: Tensor, scale: str) -> Tensor:
        size = qkv.shape[2:]
        q, k, v = (x.unflatten(1, (8, 8)).flatten(3) for x in qkv.chunk(3, dim=1))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        weights = (q @ k.transpose(-2, -1) * self.state[scale]).softmax(-1)
        return (weights @ v).flatten(1, 2).unflatten(2, size)

    def gated(self, x: Tensor, key: str, groups: int) -> Tensor:
        x = self.conv(x, f"{key}.project_in")
        a, b = self.conv(x, f"{key}.dwconv", padding=1, groups=groups).chunk(2, dim=1)
        return self.conv(F.gelu(a) * b, f"{key}.project_out")

    def restormer(self, x: Tensor, key: str) -> Tensor:
        qkv = self.conv(self.norm(x, f"{key}.norm1"), f"{key}.attn.qkv")
        qkv = self.conv(qkv, f"{key}.attn.qkv_dwconv", padding=1, groups=192)
        attended = self.attention(qkv, f"{key}.attn.temperature")
        x = x + self.conv(attended, f"{key}.attn.project_out")
        return x + self.gated(self.norm(x, f"{key}.norm2"), f"{key}.ffn", groups=256)

    def base(self, x: Tensor, key: str) -> Tensor:
        qkv = self.conv(self.norm(x, f"{key}.norm1"), f"{key}.attn.qkv1")
        qkv = self.conv(qkv, f"{key}.attn.qkv2", padding=1)
        attended = self.attention(qkv, f"{key}.attn.scale")
        x = x + self.conv(attended, f"{key}.attn.proj")
        return x + self.gated(self.norm(x, f"{key}.norm2"), f"{key}.mlp", groups=64)

    def residual(self, x: Tensor, key: str) -> Tensor:
        x = F.relu6(self.conv(x, f"{key}.bottleneckBlock.0"))
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.relu6(self.conv(x, f"{key}.bottleneckBlock.3", groups=64))
        return self.conv(x, f"{key}.bottleneckBlock.5")

    def node(self, x: Tensor, key: str) -> Tensor:
        x = self.conv(x, f"{key}.shffleconv", bias=self.state[f"{key}.shffleconv.bias"])
        z1, z2 = x[:, :32], x[:, 32:]
        z2 = z2 + self.residual(z1, f"{key}.theta_phi")
        gain = self.residual(z2, f"{key}.theta_rho").exp()
        return torch.cat((z1 * gain + self.residual(z2, f"{key}.theta_eta"), z2), dim=1)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        detail = x = self.conv(image, "DIDF_Encoder.patch_embed.proj", padding=1)
        for i in range(4):
            detail = x = self.restormer(x, f"DIDF_Encoder.encoder_level1.{i}")
        for i in range(3):
            detail = self.node(detail, f"DIDF_Encoder.detailFeature.net.{i}")
        return self.base(x, "DIDF_Encoder.baseFeature"), detail

    def decode(self, base: Tensor, detail: Tensor, residual: Tensor | float) -> Tensor:
        base, detail = self.base(base, "BaseFuseLayer"), self.node(detail, "DetailFuseLayer.net.0")
        x = self.conv(torch.cat((base, detail), dim=1), "DIDF_Decoder.reduce_channel")
        for i in range(4):
            x = self.restormer(x, f"DIDF_Decoder.encoder_level2.{i}")
        x = F.leaky_relu(self.conv(x, "DIDF_Decoder.output.0", padding=1), 0.01)
        return (self.conv(x, "DIDF_Decoder.output.2", padding=1) + residual).sigmoid()

    def fuse(self, sources: Tensor, rd: Tensor | None = None, residual: str = "first") -> Tensor:
        count = sources.shape[1]
        scales = torch.ones(count) if rd is None else count * rd.transpose(0, 1)
        pairs = [self.encode(source) for source in sources.unbind(1)]
        base, detail = (
            sum(scale * feature for scale, feature in zip(scales, branch, strict=True))
            for branch in zip(*pairs, strict=True)
        )
        added = {"first": sources[:, 0], "sum": sources.sum(1), "none": 0.0}
        return self.decode(base, detail, added[residual])

    def components(self, sources: Tensor) -> Tensor:
        alone = [self.decode(*self.encode(source), residual=0.0) for source in sources.unbind(1)]
        return torch.stack(alone, dim=1)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("count", [1, 2, 3], ids="M{}".format)
@pytest.mark.parametrize("size", [(17, 23), (2, 3)], ids="{0[0]}x{0[1]}".format)
def test_it_computes_what_the_paper_draws(count, size, network, published):
    plain = PlainCDDFuse(published)
    sources = torch.rand(2, count, 1, *size)
    assert_close(network(sources), plain.fuse(sources), **ROUNDING)
    rd = (3 * torch.rand(2, count, 1, *size)).softmax(1)
    assert_close(network(sources, rd), plain.fuse(sources, rd), **ROUNDING)
    components = network.components(network.encode(sources), sources)
    assert_close(components, plain.components(sources), **ROUNDING)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("residual", ["sum", "none"])
def test_residuals_of_medical_images(residual, file, published):
    """Components have no residual, whatever the option."""
    plain = PlainCDDFuse(published)
    torch.manual_seed(0)
    network = create_network("cddfuse", file, residual=residual)
    sources, rd = torch.rand(2, 3, 1, 8, 9), torch.rand(2, 3, 1, 8, 9).softmax(1)
    for given in (None, rd):
        expected = plain.fuse(sources, given, residual)
        assert_close(network(sources, given), expected, **ROUNDING)
    components = network.components(network.encode(sources), sources)
    assert_close(components, plain.components(sources), **ROUNDING)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("residual", ["sum", "none"])
def test_it_keeps_the_contract_with_other_residuals(residual, file):
    """The default is in the test of all networks."""
    network = create_network("cddfuse", file, residual=residual)
    for count in (2, 3):
        sources = contract.make_sources(network, count, (8, 9))
        contract.assert_order_does_not_matter(network, sources)
        for half in (None, torch.bfloat16, torch.float16):
            contract.assert_uniform_rd_is_static(network, sources, half)
        if residual == "none":  # as components are
            contract.assert_components_are_the_network_alone(network, sources)


@torch.no_grad()
def test_images_are_worked_on_in_parts_to_save_memory(network, monkeypatch):
    sources, uniform = torch.rand(2, 3, 1, 8, 9), torch.full((2, 3, 1, 8, 9), 1 / 3)
    features, fused = network.encode(sources), network(sources)
    components = network.components(features, sources)
    monkeypatch.setattr(cddfuse, "PIXELS", 4 * 8 * 9)  # of six images: four, then two
    for branch, expected in zip(network.encode(sources), features, strict=True):
        assert_close(branch, expected, rtol=1e-5, atol=1e-5)
    assert_close(network(sources), fused, **ROUNDING)
    assert_close(network.components(features, sources), components, **ROUNDING)
    assert torch.equal(network(sources, uniform), network(sources))


@torch.no_grad()
def test_only_the_residual_tells_the_first_source_apart(network):
    sources = torch.rand(1, 2, 1, 8, 9)
    forth, back = network(sources), network(sources.flip(1))
    logits = torch.logit(forth) - torch.logit(back)
    assert_close(logits, sources[:, 0] - sources[:, 1], **ROUNDING)


@torch.no_grad()
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_close_to_single(half, network):
    sources = torch.rand(2, 3, 1, 8, 9)
    single = network(sources)
    with torch.autocast("cpu", dtype=half):
        fused = network(sources.to(half))
    assert (fused - single).abs().mean() < 0.02  # 8 bits of bfloat16, through 15 blocks


@pytest.mark.slow
@torch.no_grad()
def test_results_of_the_authors_modules(shared):
    folder = shared / "reference" / "networks"
    network = create_network("cddfuse", folder / "cddfuse_random.pth")
    paths = sorted(folder.glob("cddfuse_random*.npz"))
    assert paths
    for path in paths:
        stored = np.load(path).items()
        expected = {key: torch.from_numpy(value) for key, value in stored}
        sources = torch.stack([expected.pop("vi"), expected.pop("ir")], dim=1)
        static = network(sources)
        ours = {"static": static, "static_rescaled": stretched(static)}
        for key, preset in (("l1", "paper"), ("mse50", "authors")):
            result = TestTimeDynamicFusion(network, preset)(sources)
            ours["component_vi"], ours["component_ir"] = result.components.unbind(1)
            ours[f"rd_{key}_vi"], ours[f"rd_{key}_ir"] = result.rd.unbind(1)
            ours[f"ttd_{key}"] = result.fused
        assert ours.keys() == expected.keys()
        for key, value in ours.items():
            worst = (value - expected[key]).abs().max().item()
            assert worst < 1e-4, f"{path.name}: {key} is off by {worst}"


def test_sizes_are_the_authors():
    network = CDDFuse()
    sizes = {
        name: sum(p.numel() for p in part.parameters()) for name, part in network._modules.items()
    }
    assert sizes == {
        "encoder": 599_144,
        "decoder": 207_936,
        "base_fusion": 363_016,
        "detail_fusion": 18_176,
    }
    assert len(list(network.buffers())) == 0


@pytest.mark.parametrize("residual", ["last", None, ["sum"]], ids=repr)
def test_an_unknown_residual_lists_the_known_ones(residual):
    with pytest.raises(InputError, match="residual must be one of first, sum, none, got"):
        CDDFuse(residual)


def test_every_tensor_of_the_authors_file_is_loaded(network, published):
    """Sums tell which: all are random, and a tensor of ours is one of theirs."""
    theirs = [value for part in published.values() for value in part.values()]
    state = network.state_dict()
    assert len(state) == len(theirs) == 89 + 47 + 11 + 11
    assert {value.sum().item() for value in state.values()} == {x.sum().item() for x in theirs}


def without(content: Published, part: str, key: str) -> Published:
    return {**content, part: {k: v for k, v in content[part].items() if k != key}}


EMBED = "module.patch_embed.proj.weight"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c["DIDF_Encoder"], "does not fit CDDFuse .*missing: "),
        (lambda c: {}, "does not fit CDDFuse .*missing: "),
        (lambda c: list(c.values()), "holds no state dict"),
        (
            lambda c: {part: c[part] for part in c if part != "BaseFuseLayer"},
            "holds DIDF_Encoder, DIDF_Decoder, BaseFuseLayer, DetailFuseLayer, not DIDF_Enc",
        ),
        (lambda c: {**c, "optimizer": {}}, "DetailFuseLayer, not .*, optimizer"),
        (lambda c: {**c, "BaseFuseLayer": 3}, "BaseFuseLayer .* must be a state dict, got int"),
        (lambda c: without(c, "DIDF_Encoder", EMBED), f"DIDF_Encoder .* lacks {EMBED}"),
        (
            lambda c: {**c, "BaseFuseLayer": {**c["BaseFuseLayer"], "module.mlp.bias": {}}},
            "BaseFuseLayer .* has an unknown module.mlp.bias",
        ),
        (
            lambda c: {**c, "DetailFuseLayer": {k[7:]: v for k, v in c["DetailFuseLayer"].items()}},
            "DetailFuseLayer .* lacks module.net.0",
        ),
        (
            lambda c: {**c, "DIDF_Encoder": {**c["DIDF_Encoder"], EMBED: torch.zeros(64, 3, 3, 3)}},
            re.escape(f"{EMBED} of DIDF_Encoder must be (64, 1, 3, 3), got (64, 3, 3, 3)"),
        ),
        (
            lambda c: {**c, "DIDF_Encoder": {**c["DIDF_Encoder"], EMBED: 1.0}},
            re.escape(f"{EMBED} of DIDF_Encoder must be (64, 1, 3, 3), got float"),
        ),
    ],
)
def test_anything_but_the_authors_checkpoint_is_refused(spoil, message, published, file):
    torch.save(spoil(published), file)
    with pytest.raises(InputError, match=rf"{re.escape(str(file))}.*{message}"):
        create_network("cddfuse", file)
