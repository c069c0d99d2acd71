"""The parts of the road from sources to picture; that all programs take it is tested elsewhere."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fusionlab.data.built_in import SceneDataset
from fusionlab.data.colour import levels_luma, to_chroma, to_luma, with_chroma
from fusionlab.data.dataset import make_sample
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser, Picture, order_notes, settle_colour
from fusionlab.networks import create_network
from fusionlab.settings import TTD
from fusionlab.ttd import TestTimeDynamicFusion
from fusionlab.viewing import stretched
from tests.ttd.networks import Dim


class AnyColour(Dim):
    """The mean of luma or RGB, not halved; its authors fuse RGB on multi-focus."""

    channels = (1, 3)
    rgb_tasks = frozenset({"mff"})

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined


class Repeats(AnyColour):
    """Its authors give it luma three times."""

    repeats_luma = True


@pytest.fixture
def images() -> dict[str, Tensor]:
    """A coloured and a grey source."""
    generator = torch.Generator().manual_seed(0)
    return {
        "vi": torch.rand(3, 8, 9, generator=generator),
        "ir": torch.rand(1, 8, 9, generator=generator),
    }


def taking(*channels: int) -> Dim:
    network = AnyColour().eval()
    network.channels = channels
    return network


@pytest.mark.parametrize(
    ("wanted", "task", "channels", "colour"),
    [
        ("auto", "vif", (1, 3), "luma"),
        ("auto", "mff", (1, 3), "rgb"),
        ("luma", "mff", (1, 3), "luma"),
        ("rgb", "vif", (1, 3), "rgb"),
        ("auto", "vif", (1,), "luma"),
        ("rgb", "vif", (3,), "rgb"),
    ],
)
def test_settled_colour(wanted, task, channels, colour):
    assert settle_colour(taking(*channels), task, wanted) == colour


@pytest.mark.parametrize(
    ("wanted", "task", "channels"),
    [("rgb", "vif", (1,)), ("luma", "mff", (3,)), ("auto", "vif", (3,)), ("auto", "mff", (1,))],
)
def test_a_colour_that_the_network_does_not_take_is_refused(wanted, task, channels):
    refusal = rf"colour is (luma|rgb), but the network takes {channels[0]} channels"
    with pytest.raises(InputError, match=refusal):
        Fuser(taking(*channels), task, wanted)


def test_an_unknown_colour_is_refused():
    with pytest.raises(InputError, match=r"colour must be auto, luma or rgb, got 'bgr'"):
        Fuser(taking(1), "vif", "bgr")


def test_a_network_of_luma_sees_luma_and_one_of_rgb_the_images_themselves(images):
    sources = make_sample(list(images.values()), ["vi", "ir"], "vif")["sources"][None]
    vi, ir = images.values()
    luma = Fuser(AnyColour().eval(), "vif").network_input(sources)
    assert torch.equal(luma[0], torch.stack([to_luma(vi), ir]))
    assert Fuser(Repeats().eval(), "vif").network_input(sources).shape == (1, 2, 3, 8, 9)
    rgb = Fuser(AnyColour().eval(), "vif", "rgb").network_input(sources)
    assert torch.equal(rgb[0], torch.stack([vi, ir.expand(3, -1, -1)]))


def test_the_chroma_of_the_coloured_source_is_put_back(images):
    """By hand: mean of the luma, chroma of the visible image, clamped, in 8 bits."""
    picture = Fuser(AnyColour().eval(), "vif")(images)
    vi, ir = images.values()
    fused = with_chroma(((to_luma(vi) + ir) / 2)[None], to_chroma(vi)[None])[0]
    expected = (255 * fused.clamp(0, 1)).round().to(torch.uint8)
    assert torch.equal(picture.fused, expected)
    assert picture.source_names == ("vi", "ir")
    assert torch.equal(picture.grey, levels_luma(expected))
    assert picture.rd is None


def test_grey_sources_give_a_grey_picture_whatever_the_network_makes_of_them():
    """A network of RGB may give three unequal channels: the picture is their luma."""

    class Tints(AnyColour):
        def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
            return combined * torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1)

    sources = {"near": torch.full((1, 4, 4), 0.8), "far": torch.full((1, 4, 4), 0.4)}
    picture = Fuser(Tints().eval(), "mff")(sources)
    assert picture.output.shape == (3, 4, 4)
    level = round(255 * 0.6 * (0.299 + 0.587 / 2 + 0.114 / 4))
    assert picture.fused.unique().tolist() == [level]
    assert picture.image.mode == "L"


def test_ttd_comes_with_its_maps(images):
    fuser = Fuser(create_network("ifcnn").eval(), "vif")
    static, dynamic = fuser(images), fuser(images, TTD("authors"))
    assert torch.equal(fuser(images, "authors").fused, dynamic.fused)
    assert not torch.equal(dynamic.output, static.output)
    assert dynamic.rd.shape == dynamic.losses.shape == (2, 8, 9)
    torch.testing.assert_close(dynamic.rd.sum(0), torch.ones(8, 9))
    assert dynamic.components.shape[0] == 2
    assert dynamic.milliseconds > 0


def test_what_is_compared_is_encoded_once(images, monkeypatch):
    network, calls = create_network("ifcnn").eval(), []
    encode = network.encode
    monkeypatch.setattr(network, "encode", lambda sources: calls.append(1) or encode(sources))
    sample = make_sample(list(images.values()), ["vi", "ir"], "vif", "a")
    batch = {
        key: [value] if isinstance(value, (str, tuple)) else value[None]
        for key, value in sample.items()
    }
    settings = [None, TTD("paper"), TTD("authors", temperature=3.0)]
    pictures = list(Fuser(network, "vif").fuse_batch(batch, settings))
    assert len(pictures) == 3
    assert calls == [1]


def test_images_may_be_files_and_have_no_names(images, tmp_path):
    files = []
    for name, image in images.items():
        levels = (255 * image).round().to(torch.uint8)
        pixels = levels.permute(1, 2, 0).squeeze(2).numpy()
        files.append(tmp_path / f"{name}.png")
        Image.fromarray(pixels).save(files[-1])
    fuser = Fuser(AnyColour().eval(), "mif")
    picture = fuser([str(path) for path in files])
    assert picture.source_names == ("1", "2")
    read = [torch.from_numpy(np.atleast_3d(np.array(Image.open(path)))) for path in files]
    tensors = [pixels.permute(2, 0, 1) / 255 for pixels in read]
    assert torch.equal(fuser(tensors).fused, picture.fused)


def test_a_picture_is_saved_as_its_ending_says(tmp_path):
    fused = torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8)
    picture = Picture(fused, fused.float(), 1.0, ("vi", "ir"))
    picture.save(tmp_path / "a.png")
    written = np.array(Image.open(tmp_path / "a.png"))
    assert np.array_equal(written, fused.permute(1, 2, 0).numpy())


def test_stretching_is_by_image_and_leaves_flat_ones():
    image = torch.tensor([[0.2, 0.3], [0.4, 0.4], [0.7, 0.7]]).view(3, 1, 1, 2)
    image[1, 0, 0, 1] = 0.6
    expected = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.7, 0.7]]).view(3, 1, 1, 2)
    torch.testing.assert_close(stretched(image), expected)
    network = AnyColour().eval()
    sources = {"vi": image[0], "ir": image[0]}
    assert Fuser(network, "vif", stretch=True)(sources).grey.flatten().tolist() == [0, 255]
    assert Fuser(network, "vif")(sources).grey.flatten().tolist() == [51, 76]


def test_what_cannot_be_fused_is_refused_in_a_line(images):
    with pytest.raises(InputError, match=r"call network\.eval\(\) first"):
        Fuser(AnyColour().train(), "vif")(images)
    with pytest.raises(InputError, match=r"differ in size \(vi .*, ir .*\); register them first"):
        Fuser(AnyColour().eval(), "vif")({**images, "ir": torch.rand(1, 4, 4)})
    with pytest.raises(InputError, match=r"vi, ir, third: .* takes exactly 2 sources, got 3"):
        Fuser(create_network("piafusion"), "vif")({**images, "third": torch.rand(1, 8, 9)})


def test_a_result_that_is_not_finite_is_refused_with_the_sample(images):
    network = create_network("ifcnn").eval()
    with torch.no_grad():
        network.conv4.bias.fill_(torch.nan)
    with pytest.raises(InputError, match="vi, ir fused statically to NaN or infinity; check"):
        Fuser(network, "vif")(images)


def test_a_picture_far_outside_the_range_is_told_of(images, capsys):
    network = create_network("ifcnn", "bundled")
    Fuser(network, "vif")(images)
    assert capsys.readouterr().err == ""
    with torch.no_grad():
        network.conv4.weight.mul_(1e6)
    Fuser(network, "vif")(images)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vi, ir fused statically reaches from ")
    assert "far outside [0, 1]" in line


@pytest.mark.parametrize("ttd", [None, TTD(), TTD(basis="gradient")], ids=str)
def test_threads_share_a_fuser_and_leave_the_network_as_it_is(ttd):
    network = create_network("ifcnn", "bundled")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fuser, generator = Fuser(network, "vif"), torch.Generator().manual_seed(0)
    samples = [torch.rand(2, 1, 24, 24, generator=generator).unbind() for _ in range(24)]
    alone = [fuser(one, ttd).fused for one in samples]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: fuser(one, ttd).fused, samples))
    assert all(map(torch.equal, alone, together))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("mode", ["whole", "part"])
def test_a_network_in_training_mode_is_refused(mode, images):
    network = create_network("ifcnn", "bundled")
    (network if mode == "whole" else network.conv2).train()
    with pytest.raises(InputError, match="training mode"):
        Fuser(network, "vif")(images)
    with pytest.raises(InputError, match="training mode"):
        TestTimeDynamicFusion(network)(torch.rand(1, 2, 3, 16, 16))


@pytest.mark.parametrize(
    ("network", "names", "told"),
    [
        ("gifnet", ("far", "near"), False),
        ("gifnet", ("A", "B"), True),
        ("stackmff", ("01", "02", "03"), True),
        ("ifcnn", ("A", "B"), False),  # the order does not matter
    ],
)
def test_an_order_that_names_do_not_tell_is_told(network, names, told):
    dataset = SceneDataset("mff")
    dataset.source_names = [names]
    lines = order_notes(create_network(network), dataset)
    assert [", ".join(names) in line for line in lines] == [True] * told
