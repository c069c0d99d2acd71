import pytest
import skimage.data
import torch

from fusionlab.data.photographs import TRAINING_PHOTOGRAPHS
from fusionlab.data.scenes import TASKS, built_in_scenes
from fusionlab.data.scenes.head import Head, tissues
from fusionlab.data.shapes import soften

IDS = {
    "vif": ("vif-camera", "vif-motorcycle", "vif-astronaut", "vif-rocket"),
    "mif": ("mif-ct-ventricles", "mif-ct-crown", "mif-pet-ventricles", "mif-pet-crown"),
    "mef": ("mef-astronaut", "mef-motorcycle", "mef-coffee", "mef-camera"),
    "mff": ("mff-motorcycle", "mff-coffee", "mff-camera", "mff-astronaut"),
}
NAMES = {
    "vif": [("vi", "ir")],
    "mif": [("mri", "ct"), ("mri", "pet")],
    "mef": [("under", "over"), ("under", "middle", "over")],
    "mff": [("near", "far"), ("near", "middle", "far")],
}


def of_task(*tasks):
    return pytest.mark.parametrize("id", [id for task in tasks for id in IDS[task]])


def scene_of(id):
    """Made when a test asks for it: to collect the tests, the names are enough."""
    (found,) = (scene for scene in built_in_scenes(id.split("-")[0]) if scene.id == id)
    return found


def source(id, name):
    scene = scene_of(id)
    return scene.sources[scene.source_names.index(name)]


def box(image, left, top, right, bottom):
    """The part of an image between fractions of its width and height."""
    height, width = image.shape[-2:]
    rows = slice(round(top * height), round(bottom * height))
    return image[:, rows, round(left * width) : round(right * width)]


def detail(image):
    """Contrast of what is finer than a few pixels, without the noise of single ones."""
    return (soften(image, 1) - soften(image, 4)).std()


def errors(scene):
    """Absolute error of each source, mean over channels: (M, H, W)."""
    return (torch.stack(scene.sources) - scene.reference).abs().mean(dim=1)


@of_task(*TASKS)
def test_a_scene_is_as_if_read_from_8_bit_files(id):
    scene = scene_of(id)
    images = [*scene.sources, *([] if scene.reference is None else [scene.reference])]
    for image in images:
        assert image.dtype == torch.float32
        assert image.equal((image * 255).round().clamp(0, 255) / 255)
        assert image.shape[0] in (1, 3)
        assert image.shape[1:] == scene.sources[0].shape[1:]
        assert 256 <= max(image.shape) <= 400
    assert id.startswith(f"{scene.task}-")


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_all_its_kinds_of_scenes(task):
    scenes = built_in_scenes(task)
    assert len(scenes) >= 4
    assert {scene.source_names for scene in scenes} == set(NAMES[task])
    assert all((scene.reference is None) == (task in ("vif", "mif")) for scene in scenes)
    assert any(side % 2 for scene in scenes for side in scene.sources[0].shape[1:])


@pytest.mark.parametrize("task", TASKS)
def test_these_are_the_scenes(task):
    assert tuple(scene.id for scene in built_in_scenes(task)) == IDS[task]


@pytest.mark.slow
def test_making_the_scenes_again_gives_the_same_without_the_training_photographs(monkeypatch):
    def refuse():
        raise AssertionError("a scene uses a training photograph")

    for name in TRAINING_PHOTOGRAPHS:
        monkeypatch.setattr(skimage.data, name, refuse)
    for task in TASKS:
        for scene in built_in_scenes.__wrapped__(task):
            for again, before in zip(scene.sources, scene_of(scene.id).sources, strict=True):
                assert again.equal(before)


def test_an_unknown_task_lists_the_known_ones():
    with pytest.raises(ValueError, match="no task named 'sr'; there are vif, mif, mef, mff"):
        built_in_scenes("sr")


@of_task("mff")
def test_every_part_is_sharp_in_one_source_and_no_source_is_sharp_everywhere(id):
    error = errors(scene_of(id))
    best, alone = error.amin(dim=0), error.mean(dim=(1, 2))
    assert best.mean() < 0.2 * alone.min()
    assert (best < 8 / 255).float().mean() > 0.95  # the rest lies along the outlines
    for m in range(len(error)):  # each source is needed: it alone is best somewhere
        others = torch.cat([error[:m], error[m + 1 :]]).amin(dim=0)
        assert (others - error[m] > 8 / 255).float().mean() > 0.01


@of_task("mef")
def test_exposures_clip_and_their_reference_does_not(id):
    scene = scene_of(id)
    assert scene.reference.min() > 0
    assert scene.reference.max() < 1
    assert (scene.sources[-1] == 1).float().mean() > 0.1
    under_lit = scene.sources[0] < scene.reference / 2
    assert under_lit.float().mean() > 0.1
    means = [image.mean().item() for image in scene.sources]
    assert means == sorted(means)


@of_task("mef")
def test_every_part_is_well_exposed_in_one_source(id):
    error = errors(scene_of(id))
    assert error.amin(dim=0).mean() < 0.25 * error.mean(dim=(1, 2)).min()


@pytest.mark.parametrize(
    ("id", "place"),
    [
        ("vif-camera", (0.84, 0.42, 0.88, 0.60)),
        ("vif-motorcycle", (0.28, 0.09, 0.34, 0.25)),
        ("vif-rocket", (0.28, 0.84, 0.32, 0.96)),
    ],
)
def test_the_dark_hides_a_person_from_the_visible_camera_only(id, place):
    visible, infrared = box(source(id, "vi"), *place), box(source(id, "ir"), *place)
    assert infrared.amax() > 0.75
    assert infrared.std() > 3 * visible.mean(dim=0).std()
    assert visible.mean() < 0.25


def test_smoke_hides_the_face_from_the_visible_camera_only():
    face = (0.38, 0.16, 0.50, 0.32)
    visible = box(source("vif-astronaut", "vi"), *face)
    infrared = box(source("vif-astronaut", "ir"), *face)
    assert infrared.mean() > 0.8
    assert detail(infrared) > 3 * detail(visible.mean(dim=0, keepdim=True))


@of_task("vif")
def test_infrared_is_grey_and_all_but_one_photograph_coloured(id):
    infrared, visible = source(id, "ir"), source(id, "vi")
    assert infrared.shape[0] == 1
    assert visible.shape[0] == (1 if id == "vif-camera" else 3)


@of_task("mif")
def test_air_is_black(id):
    for image in scene_of(id).sources:
        for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            assert image[:, corner[0], corner[1]].max() == 0


@pytest.mark.parametrize("id", ["mif-ct-ventricles", "mif-ct-crown"])
def test_ct_shows_the_skull_and_mri_the_brain(id):
    mri, ct = source(id, "mri"), source(id, "ct")
    skull = ct > 0.75
    assert 0.03 < skull.float().mean() < 0.2
    assert mri[skull].mean() < 0.4
    brain = (0.3, 0.2, 0.7, 0.8)
    assert box(mri, *brain).std() > box(ct, *brain).std()


@pytest.mark.parametrize("id", ["mif-pet-ventricles", "mif-pet-crown"])
def test_pet_is_coloured_and_coarse(id):
    mri, pet = source(id, "mri"), source(id, "pet")
    saturation = pet.amax(dim=0) - pet.amin(dim=0)
    assert saturation[pet.amax(dim=0) > 0.5].min() > 0.3
    assert mri.shape[0] == 1
    assert pet.mean(dim=0).diff().abs().mean() < mri[0].diff().abs().mean()


def test_tissues_lie_inside_each_other():
    mattes = tissues(Head((64, 64), seed=0, ventricles=1.0, lesion=(0.4, 0.4), lesion_radius=0.05))
    for outer, inner in (("scalp", "skull"), ("skull", "csf"), ("csf", "grey"), ("grey", "white")):
        assert (mattes[inner] <= mattes[outer]).all()
        assert mattes[inner].sum() < mattes[outer].sum()
