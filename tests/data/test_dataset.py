import json
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.data.built_in import SceneDataset
from fusionlab.data.colour import merge_chroma, to_chroma, to_luma
from fusionlab.data.dataset import make_sample
from fusionlab.data.folder import FolderDataset
from fusionlab.data.layouts import find_samples
from fusionlab.data.opening import open_data
from fusionlab.data.scenes import TASKS, built_in_scenes
from fusionlab.errors import InputError
from fusionlab.settings import Data

ITEM = {"index", "id", "source_names", "sources", "chroma", "grey"}


@pytest.fixture
def save(tmp_path):
    """Saves (H, W) or (H, W, 3) levels by name and gives back their folder."""

    def save(**images):
        for name, pixels in images.items():
            write(tmp_path / f"{name.replace('__', '/')}.png", pixels)
        return tmp_path

    return save


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def grey(seed=0, size=(5, 7)):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def rgb(seed=0, size=(5, 7)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def tensor(pixels):
    """(1, H, W) or (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1) / 255


def luma(pixels):
    """(1, H, W) by the formula; grey as it is."""
    image = tensor(pixels).double()
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None].double()
    return (image if len(image) == 1 else (weights * image).sum(0, keepdim=True)).float()


def pillow_grey(pixels):
    return torch.from_numpy(np.array(Image.fromarray(pixels).convert("L")))[None]


def folder_dataset(root, task="vif", **options):
    return FolderDataset(find_samples(root, **options), task)


PAIRS = {
    "grey and grey": (grey(0), grey(1)),
    "colour and grey": (rgb(0), grey(1)),
    "grey and colour": (grey(0), rgb(1)),
    "colour and colour": (rgb(0), rgb(1)),
    "equal channels": (np.dstack([grey(0)] * 3), grey(1)),
}


@pytest.mark.parametrize("task", ["vif", "mff"])
@pytest.mark.parametrize("kind", PAIRS)
def test_an_item_has_what_the_network_the_metrics_and_the_viewer_want(save, kind, task):
    """The network sees the files themselves, grey ones three times beside coloured ones."""
    mri, pet = PAIRS[kind]
    item = folder_dataset(save(mri__a=mri, pet__a=pet), task)[0]
    assert set(item) == ITEM
    assert (item["index"], item["id"], item["source_names"]) == (0, "a", ("mri", "pet"))
    channels = max(len(tensor(mri)), len(tensor(pet)))
    expected = [tensor(pixels).expand(channels, -1, -1) for pixels in (mri, pet)]
    assert item["sources"].equal(torch.stack(expected))
    assert item["grey"].equal(torch.stack([pillow_grey(mri), pillow_grey(pet)]))
    assert item["chroma"].equal(merge_chroma([tensor(mri), tensor(pet)], task))


def test_images_that_are_given_make_the_same_sample_as_files(save):
    vi, ir = rgb(0), rgb(1)
    item = folder_dataset(save(vi__a=vi, ir__a=ir))[0]
    sample = make_sample([tensor(vi), tensor(ir)], ["vi", "ir"], "vif", "a")
    assert {"index", *sample} == set(item)
    assert (sample["id"], sample["source_names"]) == (item["id"], item["source_names"])
    for key in ("sources", "chroma", "grey"):
        assert sample[key].equal(item[key])


@pytest.mark.parametrize("vi", [grey(0), rgb(0)], ids=["grey", "colour"])
def test_infrared_is_grey_whatever_its_file_says(save, vi):
    item = folder_dataset(save(vi__a=vi, ir__a=rgb(1)))[0]
    assert item["chroma"].any() == (vi.ndim == 3)
    channels = 3 if vi.ndim == 3 else 1
    expected = luma(rgb(1)).expand(channels, -1, -1)
    torch.testing.assert_close(item["sources"][1], expected, rtol=0, atol=1e-6)
    assert item["sources"][1].equal(item["sources"][1, :1].expand(channels, -1, -1))
    assert item["grey"][1].equal(pillow_grey(rgb(1)))
    assert item["sources"][0].equal(tensor(vi))


@pytest.mark.parametrize("name", ["ir", "IR", "Infrared", "cropinfrared", "thermal"])
def test_infrared_is_known_by_its_names(name):
    sample = make_sample([tensor(grey(0)), tensor(rgb(1))], ["vi", name], "vif")
    assert len(sample["sources"][1]) == 1
    assert not sample["chroma"].any()
    other = make_sample([tensor(grey(0)), tensor(rgb(1))], ["mri", "pet"], "mif")
    assert len(other["sources"][1]) == 3


def test_16_bits_are_kept_for_the_network_and_rounded_for_the_metrics(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (5, 7), np.uint16)
    for name in ("vi", "ir"):
        write(tmp_path / name / "a.png", deep)
    item = folder_dataset(tmp_path)[0]
    assert item["sources"][0, 0].equal(torch.from_numpy(deep.astype(np.float32)) / 65535)
    expected = (deep.astype(int) + 128) // 257
    np.testing.assert_array_equal(item["grey"][0, 0].numpy(), expected)


@pytest.mark.parametrize("order", [["vi", "ir"], ["ir", "vi"]])
def test_infrared_with_slightly_unequal_channels_leaves_the_colours_alone(save, order):
    """As after JPEG: each channel a level off here and there."""
    vi = (rgb(0).astype(int) // 4 + 90).astype(np.uint8)
    vi[:2] = 128  # here the infrared image is the more coloured one
    ir = np.dstack([np.clip(grey(1), 1, 254)] * 3) + rgb(2) % 3 - 1
    dataset = folder_dataset(save(vi__a=vi, ir__a=ir.astype(np.uint8)), sources=order)
    assert dataset[0]["source_names"] == tuple(order)
    assert dataset[0]["chroma"].equal(to_chroma(tensor(vi)))


@pytest.mark.parametrize("truth", [grey(5), rgb(5)], ids=["grey", "colour"])
def test_a_reference_is_seen_by_the_metrics_alone(save, truth):
    dataset = folder_dataset(save(near__a=rgb(0), far__a=rgb(1), gt__a=truth), "mff")
    item = dataset[0]
    assert dataset.has_reference
    assert set(item) == {*ITEM, "reference"}
    assert item["reference"].equal(pillow_grey(truth))
    assert len(item["sources"]) == 2


def test_without_a_reference_there_is_none(save):
    assert not folder_dataset(save(near__a=grey(), far__a=grey())).has_reference


def test_references_of_some_samples_only_are_refused(tmp_path):
    for name in ("1-A", "1-B", "1-gt", "2-A", "2-B"):
        write(tmp_path / f"{name}.png", grey())
    with pytest.raises(InputError, match=r"^2 in .* has no ground truth, others have; add it$"):
        folder_dataset(tmp_path)


@pytest.mark.parametrize("odd", ["far", "gt"])
def test_sizes_that_differ_inside_a_sample_are_refused(save, odd):
    images = {"near__a": grey(), "far__a": grey(), "gt__a": grey(), f"{odd}__a": grey(size=(6, 9))}
    with pytest.raises(InputError) as error:
        folder_dataset(save(**images))
    message = str(error.value)
    for part in ("9x6", "7x5", f"{odd}/a.png", "near/a.png", "register them"):
        assert part in message
    assert "\n" not in message


def test_sizes_are_known_beforehand_and_may_differ_between_samples(save):
    root = save(vi__a=grey(size=(4, 9)), ir__a=rgb(size=(4, 9)), vi__b=grey(), ir__b=grey())
    dataset = folder_dataset(root)
    assert dataset.sizes == [(4, 9), (5, 7)]
    assert [tuple(dataset[k]["sources"].shape) for k in (0, 1)] == [(2, 1, 4, 9), (2, 1, 5, 7)]


def test_samples_may_differ_in_their_number_of_sources(save):
    root = save(
        **{f"{scene}__{k}": grey() for scene, ks in (("a", "12"), ("b", "123")) for k in ks}
    )
    dataset = folder_dataset(root, "mef", layout="scenes")
    assert dataset.source_names == [("1", "2"), ("1", "2", "3")]
    assert [len(dataset[k]["sources"]) for k in (0, 1)] == [2, 3]


@pytest.mark.parametrize("id", ["día 1²", "夜 2", "a  b", "[x]*?", "100%"])
def test_odd_names_reach_the_item(tmp_path, id):
    for name in ("vi", "ir"):
        write(tmp_path / "odd folder é" / name / f"{id}.png", grey())
    dataset = folder_dataset(tmp_path / "odd folder é")
    assert dataset.ids == [id]
    assert dataset[0]["id"] == id
    assert dataset.name == "odd folder é"


def test_the_folder_worked_in_has_a_name(save, monkeypatch):
    root = save(vi__a=grey(), ir__a=grey())
    monkeypatch.chdir(root)
    assert folder_dataset(".").name == root.name


def test_check_files_finds_the_one_that_is_cut(save):
    size = (40, 50)
    root = save(vi__a=rgb(0, size), ir__a=grey(1, size), vi__b=rgb(2, size), ir__b=grey(3, size))
    dataset = folder_dataset(root)
    dataset.check_files()
    cut = root / "ir" / "b.png"
    cut.write_bytes(cut.read_bytes()[:-500])
    assert folder_dataset(root).sizes == dataset.sizes  # a header tells nothing of what is cut
    with pytest.raises(InputError, match=r"ir.b\.png cannot be read"):
        dataset.check_files()


def test_check_files_reads_references_too(save):
    root = save(near__a=grey(), far__a=grey(), gt__a=grey(size=(5, 7)))
    dataset = folder_dataset(root)
    (root / "gt" / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"gt.a\.png cannot be read"):
        dataset.check_files()


def test_a_folder_that_may_be_a_source_is_named_with_the_remedy(save):
    found = folder_dataset(save(vi__a=grey(), ir__a=grey(), depth__a=grey())).found()
    assert found.endswith("images in depth (name all sources in data.sources if these are some)")


def test_of_masks_nothing_is_asked(save):
    found = folder_dataset(save(vi__a=grey(), ir__a=grey(), gt__a=grey())).found()
    assert found.endswith("1 other files ignored, images in gt")


def test_what_was_found_is_said(save):
    root = save(
        near__a=grey(), far__a=grey(), gt__a=grey(), near__b=grey(), far__b=grey(), gt__b=grey()
    )
    (root / "ev.txt").touch()
    dataset = folder_dataset(root, "mff")
    said = "2 samples (subfolders: near, far and a ground truth), task mff; 1 other files ignored"
    assert dataset.found() == f"{root}: {said}"
    described = dataset.describe()
    assert json.loads(json.dumps(described)) == described
    assert described == {
        "name": root.name,
        "root": str(root.resolve()),
        "layout": "subfolders",
        "task": "mff",
        "source_names": ["near", "far"],
        "ids": ["a", "b"],
        "ignored": ["ev.txt"],
    }


def test_without_ignored_files_none_are_mentioned(save):
    assert folder_dataset(save(vi__a=grey(), ir__a=grey())).found().endswith(", task vif")


def opened(root, **options):
    (dataset,) = open_data(Data(root=str(root), **options))
    return dataset


@pytest.mark.parametrize(
    ("names", "task"),
    [("vi ir", "vif"), ("MRI PET", "mif"), ("under over", "mef"), ("near middle far", "mff")],
)
def test_the_task_is_told_by_the_names(save, names, task):
    dataset = opened(save(**{f"{name}__a": grey() for name in names.split()}))
    assert dataset.task == task


def test_a_task_that_names_do_not_tell_must_be_given(save):
    root = save(A__a=grey(), B__a=grey())
    with pytest.raises(InputError, match=r"called A, B, which .*; set data\.task to vif, mif, mef"):
        opened(root)
    assert opened(root, task="mef").task == "mef"


def test_a_given_task_goes_before_the_names(save):
    assert opened(save(vi__a=grey(), ir__a=grey()), task="mif").task == "mif"


def test_the_settings_reach_the_search(save):
    images = {f"{name}__{name}": grey() for name in ("near", "far")}
    root = save(
        a__1_far=grey(1), a__1_near=grey(2), a__1_sharp=grey(3), a__1_middle=grey(4), **images
    )
    settings = {"layout": "scenes", "sources": ["near", "far"], "reference": "sharp"}
    item = opened(root, **settings)[0]
    assert item["source_names"] == ("near", "far")
    assert item["grey"].equal(torch.stack([pillow_grey(grey(2)), pillow_grey(grey(1))]))
    assert item["reference"].equal(pillow_grey(grey(3)))


@pytest.mark.slow
def test_without_a_folder_there_are_the_scenes_of_a_task_or_of_all():
    assert [dataset.task for dataset in open_data(Data())] == list(TASKS)
    assert [dataset.task for dataset in open_data(Data(task="mif"))] == ["mif"]


@pytest.mark.parametrize("task", TASKS)
def test_built_in_scenes_as_items(task):
    dataset, scenes = SceneDataset(task), built_in_scenes(task)
    assert len(dataset) == len(scenes)
    assert dataset.has_reference == (task in ("mef", "mff"))
    for k, scene in enumerate(scenes):
        item, size = dataset[k], scene.sources[0].shape[1:]
        assert (item["index"], item["id"]) == (k, scene.id)
        assert item["source_names"] == scene.source_names
        assert dataset.sizes[k] == size
        assert item["chroma"].equal(merge_chroma(list(scene.sources), task))
        channels = max(len(image) for image in scene.sources)
        for image, seen, levels in zip(scene.sources, item["sources"], item["grey"], strict=True):
            pixels = (image * 255).round().byte().permute(1, 2, 0).squeeze(2).numpy()
            assert levels.equal(pillow_grey(pixels))
            assert seen.equal(image.expand(channels, -1, -1))
        assert ("reference" in item) == dataset.has_reference
        if dataset.has_reference:
            truth = (scene.reference * 255).round().byte().permute(1, 2, 0).squeeze(2).numpy()
            assert item["reference"].equal(pillow_grey(truth))


@pytest.mark.parametrize("task", TASKS)
def test_built_in_scenes_describe_themselves(task):
    dataset = SceneDataset(task)
    described = dataset.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["name"] == f"built-in {task} scenes"
    assert described["ids"] == dataset.ids
    assert len(described["source_names"]) == max(map(len, dataset.source_names))


REAL = {
    "vif/RoadScene": "vif",
    "mif/MRI_PET": "mif",
    "mef/Sequences": "mef",
    "mff/LytroTriple": "mff",
}


@pytest.mark.parametrize("folder", REAL)
def test_real_images_as_items(shared, folder):
    """The sizes promised by the headers, and colours where the data have some."""
    dataset = opened(shared / "data" / folder, task=REAL[folder])
    item = dataset[0]
    assert item["sources"].shape[-2:] == dataset.sizes[0]
    assert item["chroma"].abs().max() > 0.02
    seen = torch.stack([to_luma(image) for image in item["sources"]])
    torch.testing.assert_close(item["grey"].float(), 255 * seen, atol=0.51, rtol=0)
    assert len(item["sources"]) == len(dataset.source_names[0])


def test_an_image_is_read_when_it_is_asked_for(save):
    dataset = folder_dataset(save(vi__a=grey(), ir__a=grey(), vi__b=grey(), ir__b=grey()))
    with mock.patch("fusionlab.data.folder.read_image", return_value=tensor(grey())) as read:
        dataset[1]
    assert [call.args[0].stem for call in read.call_args_list] == ["b", "b"]
