import os
import subprocess
import sys

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from fusionlab.data.crops import MultiFocusCrops
from fusionlab.data.photographs import (
    SCENE_PHOTOGRAPHS,
    TRAINING_PHOTOGRAPHS,
    PhotographFiles,
    motorcycle_disparity,
    open_photographs,
    photograph,
)
from fusionlab.errors import InputError

ALL = SCENE_PHOTOGRAPHS + TRAINING_PHOTOGRAPHS

# Loads every photograph with sockets that cannot connect.
OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("no network in this test")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import skimage.data
for name in sys.argv[1:]:
    getattr(skimage.data, name)()
"""


def test_no_photograph_is_used_both_for_training_and_for_scenes():
    assert set(SCENE_PHOTOGRAPHS).isdisjoint(TRAINING_PHOTOGRAPHS)
    assert len(set(ALL)) == len(ALL)


@pytest.mark.slow
def test_the_photographs_need_neither_network_nor_cache(tmp_path):
    nowhere = {"SKIMAGE_DATADIR": str(tmp_path), "HOME": str(tmp_path)}
    program = [sys.executable, "-c", OFFLINE, *ALL]
    run = subprocess.run(program, env=os.environ | nowhere, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", ALL)
def test_a_photograph_is_the_file_scaled_to_one(name):
    loaded = getattr(skimage.data, name)()
    pixels = loaded[0] if name == "stereo_motorcycle" else loaded
    photo = photograph(name)
    assert photo.dtype == torch.float32
    assert photo.shape == (3 if pixels.ndim == 3 else 1, *pixels.shape[:2])
    back = (photo * 255).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(back.reshape(pixels.shape), pixels)


def test_an_unknown_photograph_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no photograph named 'lena'; there are astronaut, brick"):
        photograph("lena")


def test_a_hole_in_the_disparity_takes_the_farther_of_its_neighbours():
    measured = skimage.data.stereo_motorcycle()[2]
    filled = motorcycle_disparity()[0].numpy()
    valid = np.isfinite(measured)
    np.testing.assert_array_equal(filled[valid], measured[valid])
    for row in (100, 250):
        known = np.flatnonzero(valid[row])
        for column in np.flatnonzero(~valid[row]):
            sides = [known[known < column][-1:], known[known > column][:1]]
            expected = min(measured[row, k] for side in sides for k in side)
            assert filled[row, column] == expected


def save(path, shape, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1) / 255


def test_without_a_folder_the_training_photographs_are_opened():
    photographs = open_photographs(None, 64)
    assert len(photographs) == len(TRAINING_PHOTOGRAPHS)
    for name, photo in zip(TRAINING_PHOTOGRAPHS, photographs, strict=True):
        assert photo.equal(photograph(name))


def test_a_folder_is_searched_with_its_subfolders(tmp_path):
    """In one order everywhere: item i of the crops is made of the same photograph on any disk."""
    expected = [
        save(tmp_path / "a.png", (20, 30)),
        save(tmp_path / "b" / "deep er" / "é.PNG", (30, 20, 3), seed=1),
        save(tmp_path / "c.tif", (20, 20, 3), seed=2),
    ]
    (tmp_path / "b" / "notes.txt").touch()
    (tmp_path / "b" / "._a.png").touch()
    (tmp_path / "d.png").mkdir()
    photographs = open_photographs(str(tmp_path), 20)
    assert len(photographs) == 3
    for photo, image in zip(photographs, expected, strict=True):
        assert photo.equal(image)


def test_a_photograph_of_a_folder_is_read_when_it_is_asked_for(tmp_path):
    save(tmp_path / "a.png", (20, 30))
    save(tmp_path / "b.png", (20, 30))
    photographs = open_photographs(str(tmp_path), 20)
    late = save(tmp_path / "b.png", (20, 30), seed=1)
    assert photographs[1].equal(late)
    (tmp_path / "b.png").unlink()
    assert photographs[1].equal(late), "the last ones are kept"


def test_photographs_of_a_folder_serve_as_those_in_memory(tmp_path):
    images = [save(tmp_path / f"{k}.png", (40, 50, 3), seed=k) for k in range(3)]
    files = PhotographFiles(sorted(tmp_path.iterdir()))
    for index in range(4):
        item = MultiFocusCrops(files, 16, 4)[index]
        expected = MultiFocusCrops(images, 16, 4)[index]
        assert item["sources"].equal(expected["sources"])
        assert item["reference"].equal(expected["reference"])


@pytest.mark.parametrize("shape", [(19, 40, 3), (40, 19, 3)])
def test_a_photograph_smaller_than_a_crop_is_named_beforehand(tmp_path, shape):
    save(tmp_path / "a.png", (20, 20, 3))
    save(tmp_path / "b.png", shape)
    size = f"{shape[1]}x{shape[0]}"
    with pytest.raises(
        InputError, match=rf"b\.png is {size}, smaller than .*crop_size 20; "
    ) as error:
        open_photographs(str(tmp_path), 20)
    assert "\n" not in str(error.value)


def test_a_crop_larger_than_the_training_photographs_is_refused_beforehand():
    smallest = min(min(photograph(name).shape[1:]) for name in TRAINING_PHOTOGRAPHS)
    assert len(open_photographs(None, smallest)) == len(TRAINING_PHOTOGRAPHS)
    refusal = rf"crop_size {smallest + 1} .*, {smallest} pixels; lower it or set training.root"
    with pytest.raises(InputError, match=refusal):
        open_photographs(None, smallest + 1)


def test_a_file_that_is_no_photograph_is_named_beforehand(tmp_path):
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(InputError, match=r"a\.png cannot be read as an image"):
        open_photographs(str(tmp_path), 20)


@pytest.mark.parametrize("folder", ["empty", "gone"])
def test_a_folder_without_photographs_is_named(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=rf"no images under .*{folder}; set training\.root"):
        open_photographs(str(tmp_path / folder), 20)
