import numpy as np
import pytest
import torch

from fusionlab.data.built_in import SceneDataset
from fusionlab.data.colour import to_luma
from fusionlab.data.folder import FolderDataset
from fusionlab.data.layouts import find_samples
from fusionlab.data.patches import PairPatches, ResizedPhotographs, contrast, patch_places
from fusionlab.errors import InputError


def test_places_of_patches_by_hand():
    assert list(patch_places((5, 7), 3, 2)) == [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]
    assert list(patch_places((3, 3), 3, 2)) == [(0, 0)]
    assert list(patch_places((2, 9), 3, 2)) == []


def test_contrast_is_numpys_percentiles():
    patch = torch.rand(1, 9, 11, generator=torch.Generator().manual_seed(0))
    low, high = np.percentile(patch.numpy().astype(float), [10, 90])
    assert contrast(patch) == pytest.approx((high - low) / high, rel=1e-6)
    assert contrast(torch.full((1, 4, 4), 0.5)) == 0
    assert contrast(torch.zeros(1, 4, 4)) == 0


def test_patches_are_cut_from_the_images():
    dataset = SceneDataset("vif")
    patches = PairPatches(dataset, side=64, stride=50)
    assert len(patches) == sum(len(list(patch_places(size, 64, 50))) for size in dataset.sizes)
    index = patches.places.index((1, 50, 100))
    item = patches[index]
    assert item["index"] == index
    luma = torch.stack([to_luma(image) for image in dataset[1]["sources"]])
    assert torch.equal(item["sources"], luma[..., 50:114, 100:164])
    vi, ir = dataset.images(1)[0]
    assert torch.equal(item["rgb"][0], vi[:, 50:114, 100:164])
    assert torch.equal(item["rgb"][1], ir[:, 50:114, 100:164].expand(3, -1, -1))


def test_flat_patches_are_left_out(tmp_path):
    """A pair whose left half is flat in one source, whose right half is not in either."""
    from PIL import Image

    rng = np.random.default_rng(0)
    vi, ir = rng.integers(0, 256, (2, 16, 32), dtype=np.uint8)
    ir[:, :16] = 100
    for name, pixels in (("vi", vi), ("ir", ir)):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "01.png")
    dataset = FolderDataset(find_samples(tmp_path), "vif")
    assert PairPatches(dataset, 16, 16, least_contrast=0.1).places == [(0, 0, 16)]
    assert len(PairPatches(dataset, 16, 16)) == 2
    with pytest.raises(InputError, match=r"less contrast than 1\b.*lower training\.contrast"):
        PairPatches(dataset, 16, 16, least_contrast=1)


def test_only_the_first_samples_are_used():
    patches = PairPatches(SceneDataset("vif"), side=64, stride=64, limit=2)
    assert {index for index, _, _ in patches.places} == {0, 1}


def test_images_smaller_than_a_patch_are_refused():
    with pytest.raises(InputError, match=r"no image .* 4000x4000; lower training\.crop_size"):
        PairPatches(SceneDataset("vif"), side=4000, stride=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_are_resized_by_their_nearest_pixels(channels):
    photographs = [torch.rand(3, 8, 12), torch.rand(1, 4, 4)]
    items = ResizedPhotographs(photographs, side=4, channels=channels)
    assert len(items) == 2
    assert [items[k]["index"] for k in range(2)] == [0, 1]
    grey = items[1]["sources"]
    assert torch.equal(grey, photographs[1].expand(1, channels, 4, 4))
    colours = items[0]["sources"]
    assert colours.shape == (1, channels, 4, 4)
    if channels == 3:
        assert torch.equal(colours[0], photographs[0][:, ::2, ::3])


def test_patches_come_in_the_order_of_a_network():
    plain = PairPatches(SceneDataset("vif"), side=32, stride=200)
    turned = PairPatches(SceneDataset("vif"), side=32, stride=200, order=("ir", "vi"))
    assert SceneDataset("vif").source_names[0] == ("vi", "ir")
    for one, other in zip(plain, turned, strict=True):
        assert torch.equal(one["sources"].flip(0), other["sources"])
        assert torch.equal(one["rgb"].flip(0), other["rgb"])
