"""StackMFF's objectives and the stacks that they learn from."""

import cv2
import pytest
import torch
from PIL import Image

from fusionlab.data.focal_stacks import PhotographsWithDepth, focal_stack
from fusionlab.data.photographs import TRAINING_PHOTOGRAPHS, photograph
from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.networks import create_network
from fusionlab.networks.stackmff import depth
from fusionlab.settings import Training


@pytest.fixture
def photo() -> torch.Tensor:
    return photograph("chelsea")[:, :64, :96]


@pytest.fixture
def ramp() -> torch.Tensor:
    return torch.linspace(0, 1, 96).expand(1, 1, 64, 96)


def test_every_image_is_sharp_in_its_band_and_blurred_as_opencv_does_elsewhere(photo, ramp):
    stack, sharp = focal_stack(photo[None], ramp, 4)
    assert stack.shape == (1, 4, 3, 64, 96)
    assert sharp[0, 0].tolist() == [min(int(4 * x), 3) for x in ramp[0, 0, 0].tolist()]
    pixels = photo.permute(1, 2, 0).contiguous().numpy()
    for n in range(4):
        for k in range(4):
            distance = abs(k - n)
            size = (2 * distance + 1, 2 * distance + 1)
            expected = torch.from_numpy(cv2.GaussianBlur(pixels, size, 0)).permute(2, 0, 1)
            band = (sharp[0] == k).expand(3, -1, -1)
            torch.testing.assert_close(stack[0, n][band], expected[band], atol=1e-5, rtol=0)


def test_items_are_the_photographs_in_another_order_in_each_pass():
    photographs = [photograph(name) for name in TRAINING_PHOTOGRAPHS[:4]]
    data = PhotographsWithDepth(photographs, 48, seed=1)
    assert data.pass_length == 4
    means = [
        [round(data[pass_ * 4 + place]["photograph"].mean().item(), 4) for place in range(4)]
        for pass_ in range(3)
    ]
    assert len({tuple(sorted(one)) for one in means}) == 1
    assert len({tuple(one) for one in means}) > 1
    item = data[5]
    assert item["photograph"].shape == item["depth"].shape == (1, 48, 48)
    assert (item["depth"].min(), item["depth"].max()) == (0, 1)
    assert all(torch.equal(item[key], data[5][key]) for key in ("photograph", "depth"))


def test_depth_maps_go_with_the_photographs_of_their_names(tmp_path):
    for name, grey, far in (("a", 40, 200), ("b", 90, 30)):
        for folder, value in (("photos", grey), ("depth", far)):
            path = tmp_path / folder / "x" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (40, 48), value).save(path)
    objective = create_objective("stackmff", counts=[2], depth=str(tmp_path / "depth"))
    settings = Training(root=str(tmp_path / "photos"), crop_size=32)
    data, _ = objective.open_data(settings, seed=0)
    pairs = {
        tuple(round(255 * item[key].mean().item()) for key in ("photograph", "depth"))
        for item in (data[0], data[1])
    }
    assert pairs == {(40, 200), (90, 30)}
    (tmp_path / "depth" / "x" / "b.png").unlink()
    with pytest.raises(InputError, match=r"b.png has no depth map .*depth/x/b"):
        objective.open_data(settings, seed=0)


@pytest.mark.parametrize(
    ("options", "crop", "message"),
    [
        ({"counts": [1, 4]}, 64, "counts must be at least 2"),
        ({"counts": [80]}, 64, "crop_size 64 is smaller than the blur of 80 images"),
        ({"depth": "maps"}, 64, "depth needs training.root"),
    ],
)
def test_settings_that_cannot_be(options, crop, message):
    with pytest.raises(InputError, match=message):
        create_objective("stackmff", **options).open_data(Training(crop_size=crop), seed=0)


def test_the_terms(photo, ramp):
    """V2's by its depth, stretched over the batch; V3's by hand."""
    batch = {"photograph": photo[None, :1].repeat(2, 1, 1, 1), "depth": ramp.repeat(2, 1, 1, 1)}
    batch["photograph"][1] /= 2
    stack, sharp = focal_stack(batch["photograph"], batch["depth"], 3)
    torch.manual_seed(0)
    objective = create_objective("stackmff", counts=[3])
    v2 = create_network("stackmff", version="v2")
    (term,) = objective(v2, batch, Step()).values()
    place = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1, 1)
    mean = (v2.encode(stack) * place).sum(1)
    stretched = (mean - mean.min()) / (mean.max() - mean.min())
    assert term.item() == pytest.approx((stretched - batch["depth"]).square().mean().item())
    assert not torch.equal(stretched, depth(v2.encode(stack))), "of each picture"

    v3 = create_network("stackmff", version="v3")
    (term,) = objective(v3, batch, Step()).values()
    logits = v3.scorer(stack)[:, :, 0]
    chosen = logits.log_softmax(1).gather(1, sharp[:, None])
    assert term.item() == pytest.approx(-chosen.mean().item(), rel=1e-5)


@pytest.mark.slow
def test_v3_learns_to_choose_the_sharp_image():
    torch.manual_seed(0)
    network = create_network("stackmff", version="v3").train()
    objective = create_objective("stackmff", counts=[2])
    data, _ = objective.open_data(Training(crop_size=64), seed=0)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    found = []
    for step in range(60):
        items = [data[4 * step + k] for k in range(4)]
        batch = {key: torch.stack([x[key] for x in items]) for key in ("photograph", "depth")}
        loss = sum(objective(network, batch, Step(index=step)).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert sum(found[-10:]) < 0.8 * sum(found[:10])
