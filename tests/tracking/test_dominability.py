"""Histogram and scatter plot of RD."""

import numpy as np

from fusionlab.tracking.dominability import BINS, POINTS, SourceDrawing, gather


def test_the_histogram_counts_every_pixel_between_0_and_1():
    found = SourceDrawing(1)
    found.add(np.array([[0.0, 0.5, 1.0, 0.999]]), np.zeros((1, 4)))
    assert found.counts.sum() == 4
    assert found.counts[[0, BINS // 2, BINS - 1]].tolist() == [1, 1, 2]


def test_the_points_are_pixels_few_and_always_the_same(tmp_path):
    rd = np.random.default_rng(0).random((2, 60, 60)).astype(np.float32)
    for name in "ab":
        arrays = {"rd": rd, "losses": 2 * rd, "source_names": np.array(["vi", "ir"])}
        np.savez(tmp_path / f"{name}.npz", **arrays)
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    one, again = ([np.concatenate(found.shown) for found in gather(paths).values()] for _ in "12")
    assert sum(map(len, one)) == POINTS
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one[0][:, 1], 2 * one[0][:, 0])
    assert set(one[1][:, 0]) <= set(rd[1].ravel())
