"""Images in tiles: the same pictures, the whole image's RD, a fraction of the memory."""

from math import lcm

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.registry import NETWORKS
from fusionlab.settings.ttd import TTD
from fusionlab.ttd.tiles import least_side, least_tile, tiles

LOCAL = [name for name in sorted(NETWORKS) if NETWORKS[name].is_local]
NEAR = [name for name in LOCAL if NETWORKS[name].reach <= 16]
FAR = [name for name in LOCAL if name not in NEAR]  # in large images
FADED = [name for name in sorted(NETWORKS) if name not in LOCAL]
OPTIONS = {"stackmff": {"version": "v3"}}  # which is local
SETTINGS = {
    "static": None,
    "paper": TTD("paper"),
    "authors": TTD("authors"),
    "structure": TTD("structure"),
    "gradient": TTD("paper", basis="gradient", temperature=1e4),
}


def images(height, width, count=2):
    """Smooth and rough parts, each source sharp elsewhere."""
    torch.manual_seed(0)
    rough = torch.rand(count, 1, height, width)
    smooth = torch.nn.functional.avg_pool2d(rough, 9, 1, 4)
    ramp = torch.linspace(0, 1, width).expand(count, 1, height, width)
    mix = torch.stack([ramp[0], 1 - ramp[0], ramp[0]])[:count]
    return list((mix * rough + (1 - mix) * smooth).clamp(0, 1))


def network(name):
    torch.manual_seed(0)
    return create_network(name, **OPTIONS.get(name, NETWORKS[name].small)).eval()


@pytest.mark.parametrize("size", [(70, 70), (100, 161), (33, 300)])
@pytest.mark.parametrize(
    ("margin", "fade", "multiple"), [(8, 0, 1), (24, 0, 1), (8, 10, 1), (5, 12, 16)]
)
def test_tiles_count_one_everywhere_and_begin_at_multiples(size, margin, fade, multiple):
    total = torch.zeros(size)
    for tile in tiles(size, 64, margin, fade, multiple):
        tile.of(total).add_(tile.weight)
        for span, whole in zip((tile.rows, tile.columns), size, strict=True):
            assert span.start % multiple == 0
            assert span.stop % multiple == 0 or span.stop == whole
            assert span.stop - span.start <= 64
        inner = tile.weight[
            tuple(slice(margin if span.start else 0, None) for span in (tile.rows, tile.columns))
        ]
        assert tile.weight.sum() == pytest.approx(inner.sum().item())  # the margin counts nothing
    torch.testing.assert_close(total, torch.ones(size))


def compare(own, sample, side, setting):
    """Tiles of a side against the whole image."""
    ttd = SETTINGS[setting]
    whole = Fuser(own, "vif", tile=0)(sample, ttd)
    tiled = Fuser(own, "vif", tile=side)(sample, ttd)
    assert (whole.fused.int() - tiled.fused.int()).abs().max() <= 1
    close = 1e-4 if setting == "gradient" else 1e-5  # a temperature of 10000 amplifies
    torch.testing.assert_close(tiled.output, whole.output, atol=close, rtol=1e-4)
    if ttd is not None:
        torch.testing.assert_close(tiled.rd, whole.rd, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(tiled.losses, whole.losses, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", NEAR)
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(name, marks=() if name in ("static", "paper") else pytest.mark.slow)
        for name in SETTINGS
    ],
)
def test_a_local_network_gives_in_tiles_what_it_gives_whole(name, setting):
    own = network(name)
    if setting == "gradient" and not own.trainable:
        pytest.skip("no weights, no features to speak of")
    side = max(64, least_tile(own) + 8 if setting == "gradient" else 0)
    compare(own, images(side + 11, side + 46), side, setting)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAR)
@pytest.mark.parametrize("setting", ["static", "structure"])
def test_so_does_one_that_sees_far(name, setting):
    own = network(name)
    assert own.is_local
    overlap = least_side(own.reach + 8, 0, lcm(own.size_multiple, own.tile_multiple))
    height, width = 64, 2 * overlap + 4
    side = overlap + overlap // 2
    compare(own, images(height, width), side, setting)


@pytest.mark.slow
@pytest.mark.parametrize("name", FADED)
def test_every_network_shows_no_seams(name):
    """Faded from tile to tile: no pixel of the seam is farther off than those between seams."""
    own = network(name)
    sample = images(160, 320, own.source_count or 2)
    if own.steps > 1:
        with pytest.raises(InputError, match="samples whole images; leave out tile"):
            Fuser(own, "vif", tile=64)(sample)
        return
    fuser = Fuser(own, "vif", tile=0)
    multiple = own.size_multiple * own.reduction
    side = max(224, least_side(own.reach + own.padding + 8, 64, multiple) + multiple)
    for ttd in (None, TTD("paper"))[: 1 if own.no_ttd else 2]:
        whole, tiled = fuser(sample, ttd), Fuser(own, "vif", tile=side)(sample, ttd)
        steps = [(one.output[..., 1:] - one.output[..., :-1]).abs() for one in (whole, tiled)]
        assert steps[1].amax() <= 1.5 * steps[0].amax() + 0.02
        assert tiled.fused.shape == whole.fused.shape


@pytest.mark.parametrize("name", LOCAL[:1])
def test_the_temperature_is_that_of_the_whole_image(name):
    sample = images(75, 110)
    found = []
    for tile in (0, 64):
        fuser = Fuser(network(name), "vif", tile=tile)
        one = fuser._as_sample(sample)
        found.append(fuser.calibrate([one], TTD("structure")).temperature)
    assert found[1] == pytest.approx(found[0], rel=1e-4)


@pytest.mark.parametrize(("name", "local"), [("sage", True), ("sage", False), ("cddfuse", False)])
def test_only_tiles_that_change_nothing_are_taken_unasked(monkeypatch, name, local):
    monkeypatch.setattr("fusionlab.fusing.free_memory", lambda _: 2**10)
    own, sources = network(name), torch.rand(1, 2, 1, 800, 800 if local else 802)
    if local:
        assert 0 < Fuser(own, "vif").tile_side(sources) < 800
        return
    with pytest.raises(InputError, match=r"0\.0 GB are free; it looks at images as a whole, so"):
        Fuser(own, "vif").tile_side(sources)
    assert Fuser(own, "vif", tile=512).tile_side(sources) == 512
    assert Fuser(own, "vif", tile=0).tile_side(sources) == 0


def test_tiles_are_taken_where_memory_is_short_and_only_there(monkeypatch):
    fuser = Fuser(network("average"), "vif")
    sources = torch.rand(1, 2, 1, 600, 700)
    assert fuser.tile_side(sources) == 0
    monkeypatch.setattr("fusionlab.fusing.free_memory", lambda _: 2**20)
    assert 0 < fuser.tile_side(sources) < 700
    assert Fuser(network("average"), "vif", tile=0).tile_side(sources) == 0


def test_tiles_that_nobody_asked_for_are_told_once(monkeypatch, capsys):
    monkeypatch.setattr("fusionlab.fusing.free_memory", lambda _: 2**10)
    fuser = Fuser(network("average"), "vif")
    for _ in range(2):
        fuser(images(400, 500))
    (line,) = capsys.readouterr().err.splitlines()
    assert "fused in tiles of 384 pixels" in line
    assert "tile 0 fuses it whole" in line
    Fuser(network("average"), "vif", tile=384)(images(400, 500))
    assert capsys.readouterr().err == ""


def test_a_tile_that_is_all_overlap_is_refused():
    with pytest.raises(InputError, match=r"tile must be at least \d+ for this network, got 12"):
        Fuser(network("ifcnn"), "vif", tile=12)(images(75, 110))


def test_a_sampler_is_fused_whole_and_a_tile_for_it_refused(monkeypatch):
    own, sources = network("average"), torch.rand(1, 2, 1, 600, 700)
    own.steps = 10
    assert Fuser(own, "vif").tile_side(sources) == 0
    monkeypatch.setattr("fusionlab.fusing.free_memory", lambda _: 2**10)
    with pytest.raises(InputError, match="samples whole images: set tile to 0 to try it, or use a"):
        Fuser(own, "vif").tile_side(sources)
    with pytest.raises(InputError, match="samples whole images; leave out tile"):
        Fuser(own, "vif", tile=256).tile_side(sources)
