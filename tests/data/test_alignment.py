"""Sources are laid onto the first one on request, and cut to what all show."""

import pytest
import torch

from fusionlab.data.alignment import align, map_between
from fusionlab.data.images import read_image
from fusionlab.data.layouts import find_samples
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.settings import Data
from tests.data.test_registration import cut, save, scene

OTHERS = [lambda x: x, lambda x: 1 - x, lambda x: x.sqrt() / 2]


def warped(image, matrix):
    """What a camera sees that maps its pixels (x, y, 1) to those of an image."""
    height, width = image.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1).double() @ matrix.T
    places = (2 * points[..., :2] / points[..., 2:] + 1) / torch.tensor([width, height]) - 1
    return torch.nn.functional.grid_sample(
        image[None], places[None].float(), padding_mode="reflection", align_corners=False
    )[0]


def camera(angle, scale, right, down, tilt=0.0, size=(220, 180)):
    """Turned about the centre, larger, moved, and seen from the side."""
    angle, centre = torch.tensor(angle).deg2rad().double(), (torch.tensor(size).double() - 1) / 2
    matrix = torch.eye(3, dtype=torch.float64)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    matrix[:2, :2] = scale * turn
    matrix[:2, 2] = centre - matrix[:2, :2] @ centre + torch.tensor([right, down]).double()
    matrix[2, 0] = tilt
    return matrix


def distance(one, other):
    """The largest between the corners' and the centre's places, pixels."""
    points = torch.tensor([[20, 20, 1], [200, 20, 1], [20, 160, 1], [200, 160, 1], [110, 90, 1]])
    places = [points.double() @ matrix.T for matrix in (one, other)]
    flat = [place[:, :2] / place[:, 2:] for place in places]
    return (flat[0] - flat[1]).norm(dim=1).max().item()


@pytest.mark.parametrize("other", OTHERS)
def test_a_shift_is_undone_by_whole_pixels(other):
    whole = scene()
    images = {"vi": cut(whole, 0, 0), "ir": other(cut(whole, 12, 7))}
    found = align(images, "translation")
    assert found.maps["ir"].tolist() == [[1, 0, -12], [0, 1, -7], [0, 0, 1]]
    assert (found.top, found.left, found.height, found.width) == (7, 12, 133, 148)
    laid = {name: found.applied(name, image) for name, image in images.items()}
    torch.testing.assert_close(laid["ir"], other(laid["vi"]))


@pytest.mark.slow
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize(
    "seen", [camera(2, 1, 0, 0), camera(0, 1.04, 2, 3), camera(-2, 0.97, 5, -4, 1e-4)]
)
def test_a_camera_that_turned_moved_or_focused_is_undone(seen, other):
    whole = scene()
    found = map_between(whole, other(warped(whole, seen)), "homography")
    assert distance(found, torch.linalg.inv(seen)) < 1.0


@pytest.mark.slow
def test_what_fits_stays_and_what_has_nothing_in_common_too():
    whole = cut(scene(), 0, 0)
    images = {"a": whole, "b": 1 - whole, "c": torch.zeros_like(whole)}
    for kind in ("translation", "homography"):
        found = align(images, kind)
        assert found.maps == {}
        assert (found.top, found.left, found.height, found.width) == (0, 0, 140, 160)


@pytest.mark.slow
def test_a_data_set_is_aligned_cut_and_says_so(tmp_path):
    for name, moved in (("01", (20, 12)), ("02", (0, 0))):
        save(tmp_path / f"vi/{name}.png", cut(scene(), 0, 0))
        save(tmp_path / f"ir/{name}.png", 1 - cut(scene(), *moved))
    (dataset,) = open_data(Data(root=str(tmp_path), align="translation"))
    assert dataset.sizes == [(128, 140), (140, 160)]
    for k in range(2):
        visible, infrared = dataset[k]["sources"]
        assert visible.shape[-2:] == dataset.sizes[k]
        assert (visible + infrared - 1).abs().max() <= 1.01 / 255
    dataset.check_files()
    assert dataset.registration == []
    assert (
        "1 of 2 samples were aligned to their first source (translation) and cut" in dataset.notes
    )
    assert dataset.describe()["aligned"] == {"by": "translation", "ids": ["01"]}


def test_labels_of_images_that_are_aligned_are_refused(tmp_path):
    save(tmp_path / "vi/01.png", cut(scene(), 0, 0))
    save(tmp_path / "ir/01.png", cut(scene(), 20, 12))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/01.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (dataset,) = open_data(Data(root=str(tmp_path), align="translation"))
    with pytest.raises(InputError, match=r"has labels, and 01 is aligned.*leave out data\.align"):
        dataset.labels(0)


@pytest.mark.slow
def test_real_pairs_are_laid_back(shared):
    """Of every set the second source is moved, turned and enlarged, and found again."""
    worse = []
    for folder in ("vif/RoadScene", "mff/Lytro", "mff/Savic"):
        for sample in find_samples(shared / "data" / folder).samples[:1]:
            first, other = [read_image(path) for path in sample.sources.values()][:2]
            height, width = first.shape[-2:]
            turn = camera(2, 1.03, 0.02 * width, -0.015 * height, size=(width, height))
            found = map_between(first, warped(other, turn), "homography")
            still = map_between(first, other, "homography")
            still = torch.eye(3, dtype=torch.float64) if still is None else still
            points = torch.tensor(
                [[x * width, y * height, 1.0] for x in (0.2, 0.8) for y in (0.2, 0.8)]
            ).double()
            expected = points @ (torch.linalg.inv(turn) @ still).T
            places = points @ (found if found is not None else torch.eye(3).double()).T
            off = (places[:, :2] / places[:, 2:] - expected[:, :2] / expected[:, 2:]).norm(dim=1)
            if off.max() > 0.02 * max(width, height):
                worse.append((folder, sample.id, round(off.max().item(), 1)))
    assert worse == []
