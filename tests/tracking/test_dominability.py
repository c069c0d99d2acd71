"""Histogram and correlation of RD."""

import numpy as np
import pytest

from fusionlab.tracking.dominability import BINS, POINTS, SourceDominability, gather


def test_the_correlation_is_pearsons_over_all_pixels_of_all_images():
    rng = np.random.default_rng(0)
    losses = [rng.random((5, 7)) * scale for scale in (1, 3)]
    weights = [np.exp(-loss) + 0.1 * rng.random((5, 7)) for loss in losses]
    found = SourceDominability(points=4)
    for pair in zip(weights, losses, strict=True):
        found.add(*pair)
    flat = [np.concatenate([one.ravel() for one in images]) for images in (weights, losses)]
    assert found.correlation == pytest.approx(np.corrcoef(*flat)[0, 1], rel=1e-9)


def test_a_line_correlates_fully_and_a_constant_not_at_all():
    loss = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    line, constant = SourceDominability(9), SourceDominability(9)
    line.add(1 - loss, loss)
    constant.add(np.full_like(loss, 1 / 3), loss)
    assert line.correlation == pytest.approx(-1)
    assert np.isnan(constant.correlation)


def test_the_histogram_counts_every_pixel_between_0_and_1():
    found = SourceDominability(1)
    found.add(np.array([[0.0, 0.5, 1.0, 0.999]]), np.zeros((1, 4)))
    assert found.counts.sum() == 4
    assert found.counts[[0, BINS // 2, BINS - 1]].tolist() == [1, 1, 2]


def test_the_points_are_pixels_few_and_always_the_same(tmp_path):
    weights = np.random.default_rng(0).random((2, 60, 60)).astype(np.float32)
    for name in "ab":
        arrays = {"weights": weights, "losses": 2 * weights, "source_names": np.array(["vi", "ir"])}
        np.savez(tmp_path / f"{name}.npz", **arrays)
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    one, again = ([np.concatenate(found.kept) for found in gather(paths).values()] for _ in "12")
    assert sum(map(len, one)) == POINTS
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one[0][:, 1], 2 * one[0][:, 0])
    assert set(one[1][:, 0]) <= set(weights[1].ravel().astype(float))
