import os
import subprocess
import sys

import numpy as np
import pytest
import skimage.data
import torch

from fusionlab.data.photographs import (
    SCENE_PHOTOGRAPHS,
    TRAINING_PHOTOGRAPHS,
    motorcycle_disparity,
    photograph,
)

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
