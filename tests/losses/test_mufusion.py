"""MUFusion's objective against its authors' loss."""

import math

import numpy as np
import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.mufusion import content_loss, content_share, distance, to_file
from fusionlab.losses.vgg import BLOCKS
from fusionlab.networks import create_network
from tests.losses.vgg import save_vgg
from tests.networks import references

TASKS = {"vif": (5, 7), "mif": (3, 7), "mff": (1, 19)}  # levels and window


@pytest.fixture(scope="module")
def given(shared):
    found = references.read(shared / "reference" / "networks" / "mufusion_losses.npz")
    levels = {name: found[name] / 255 for name in ("ir", "vi", "memory")}
    return {**found, **levels, "sources": torch.stack([levels["ir"], levels["vi"]], 1)}


@pytest.fixture(scope="module")
def formula_vgg(tmp_path_factory):
    """The weights that the reference was made with."""
    shapes, index, channels = {}, 0, 3
    for count, width in zip(BLOCKS[19], (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            shapes[f"features.{index}.weight"] = (width, channels, 3, 3)
            shapes[f"features.{index}.bias"] = (width,)
            index, channels = index + 2, width
        index += 1
    rng, state = np.random.default_rng(19), {}
    for key in sorted(shapes):
        shape = shapes[key]
        scale = 0.05 if key.endswith("bias") else math.sqrt(2 / (9 * shape[1]))
        state[key] = torch.from_numpy((scale * rng.standard_normal(shape)).astype(np.float32))
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(state, path)
    return str(path)


@pytest.mark.slow
@torch.no_grad()
def test_the_masks_of_the_authors_code(given, formula_vgg):
    objective = create_objective("mufusion", vgg=formula_vgg)
    for task, (levels, window) in TASKS.items():
        objective.levels, objective.window = levels, window
        masks = objective.masks(given["sources"])
        assert torch.equal(masks[:, 0], given[f"{task}_mask_ir"]), task
        assert torch.equal(masks.sum(1), torch.ones_like(masks[:, 0]))


def terms_of(given, task):
    mask = given.get(f"{task}_mask_ir", torch.ones_like(given["ir"]))
    masks = {"ir": mask, "vi": mask if task == "mef" else 1 - mask}
    return {
        name: distance(masks[name] * given["fused"], masks[name] * given[name]) for name in masks
    }


@pytest.mark.parametrize("task", [*TASKS, "mef"])
def test_the_terms_of_the_authors_loss(task, given):
    for name, found in terms_of(given, task).items():
        expected = [given[f"{task}_{term}_{name}"].item() for term in ("mse", "ssim", "grad")]
        assert [x.item() for x in found] == pytest.approx(expected, abs=2e-6)


def test_the_total_of_the_authors_loss(given):
    mask = given["vif_mask_ir"]
    content = content_loss(given["fused"], given["sources"], torch.stack([mask, 1 - mask], 1))
    assert content.item() == pytest.approx(given["vif_content"].item(), rel=1e-5)
    memory = distance(given["fused"], given["memory"]).total()
    assert memory.item() == pytest.approx(given["memory_loss"].item(), rel=1e-5)
    share = content_share(given["fused"], given["memory"], given["sources"])
    assert share.item() == pytest.approx(given["a1"].item(), abs=1e-6)
    total = share * content + (1 - share) * memory
    assert total.item() == pytest.approx(given["vif_total"].item(), rel=1e-5)


def test_an_epoch_is_held_against_the_one_before():
    torch.manual_seed(0)
    network, objective = create_network("mufusion"), create_objective("mufusion", levels=0)
    batch = {"sources": torch.rand(2, 2, 1, 24, 24), "index": torch.tensor([7, 3])}
    first = objective(network, batch, Step())
    assert first["memory"].item() == pytest.approx(0, abs=1e-6)
    fused = network(batch["sources"]).detach()
    content = content_loss(fused, batch["sources"], torch.ones(2, 2, 1, 1, 1))
    assert first["content"].item() == pytest.approx(content.item() / 2, rel=1e-5)
    reversed_batch = {key: value.flip(0) for key, value in batch.items()}
    second = objective(network, reversed_batch, Step(epoch=1))
    remembered = to_file(fused).flip(0) / 255
    share = content_share(fused.flip(0), remembered, reversed_batch["sources"])
    expected = (1 - share) * distance(fused.flip(0), remembered).total()
    assert second["memory"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert second["memory"].item() > 1e-3


def test_what_is_kept_is_stretched_by_hand():
    images = torch.tensor([0.0, 0.251, 0.5]).view(1, 1, 1, 3)
    assert to_file(images).flatten().tolist() == [0, 128, 255]
    assert not to_file(torch.full((1, 1, 2, 2), 0.4)).any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "VGG-19, got None"),
        ({"levels": 6}, "levels must be 0 to 5"),
        ({"window": 4}, "window must be an odd number"),
        ({"levels": 0, "vgg": "x"}, "vgg is not read"),
    ],
)
def test_unusable_options_are_refused(options, text):
    with pytest.raises(InputError, match=text):
        create_objective("mufusion", **options)


def test_activity_counts_where_a_source_is_busy(tmp_path):
    objective = create_objective("mufusion", vgg=save_vgg(tmp_path / "vgg.pth", 19), levels=1)
    activity = objective.activity(torch.rand(2, 1, 16, 16))
    assert activity.shape == (2, 1, 16, 16)
    assert activity.min() >= 0
    sources = torch.rand(1, 2, 1, 16, 16)
    first, second = objective.activity(sources[0])
    assert torch.equal(objective.masks(sources)[0, 0] > 0, first > second)
