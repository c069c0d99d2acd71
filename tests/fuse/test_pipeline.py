"""Reading, fusing and writing at once: order, faults and shards; pictures of 16 bits."""

import threading

import numpy as np
import pytest
import torch

from fusionlab.data.images import read_image
from fusionlab.errors import InputError
from fusionlab.fuse.outputs import check_output
from fusionlab.fuse.pipeline import WriteBehind, places_of_shard, read_ahead
from fusionlab.runs.files import write_deep_picture


class Numbers:
    """Samples that are their place; the one at 2 is broken."""

    def __init__(self):
        self.read = []

    def __getitem__(self, place):
        self.read.append((place, threading.current_thread()))
        if place == 2:
            raise InputError("2 is broken")
        return {"id": place}


def test_samples_come_in_order_and_one_ahead():
    numbers = Numbers()
    found = []
    for place, sample in read_ahead(numbers, [0, 1, 2, 3]):
        try:
            found.append(sample()["id"])
        except InputError:
            found.append(None)
        assert len(numbers.read) <= place + 2  # memory stays flat
    assert found == [0, 1, None, 3]
    assert threading.main_thread() not in {thread for _, thread in numbers.read}


def test_writing_keeps_the_order_and_raises_what_went_wrong():
    written = []
    with WriteBehind() as behind:
        for k in range(5):
            behind(written.append, k)
    assert written == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError), WriteBehind() as behind:
        behind(divmod, 1, 0)


def test_shards_are_every_sample_once():
    shards = [places_of_shard(f"{k}/3", 10) for k in (1, 2, 3)]
    assert (
        sorted(place for shard in shards for place in shard)
        == list(range(10))
        == places_of_shard(None, 10)
    )
    for wrong in ("0/3", "4/3", "3", "a/b", "1/0"):
        with pytest.raises(InputError, match="shard must be i/n"):
            places_of_shard(wrong, 10)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_16_bits(tmp_path, ending, channels):
    levels = np.random.default_rng(0).integers(0, 65536, (channels, 5, 7))
    picture = torch.from_numpy(levels / 65535).float().expand(3, -1, -1)
    path = tmp_path / f"x.{ending}"
    write_deep_picture(path, picture)
    assert read_image(path).shape[0] == channels
    assert (read_image(path) * 65535 - torch.from_numpy(levels)).abs().max() < 0.51


def test_16_bits_need_a_format_that_has_them(tmp_path):
    with pytest.raises(InputError, match="--bits 16 needs images"):
        check_output("images", tmp_path / "x.jpg", 16)
