"""Container × depth × sign × compression × photometric × alpha × byte order × tiles or strips.

Every file is written from levels that the test makes itself, and read back as they are, or refused
in one line; nothing else counts. Where a truth exists the file must be read.
"""

import contextlib
import itertools
import warnings

import numpy as np
import pytest
import tifffile
import torch

from fusionlab.data.images import Reading, image_size, read_image
from fusionlab.errors import InputError

HEIGHT, WIDTH = 21, 45
RANDOM = np.random.default_rng(0)
KINDS = ("u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")
COMPRESSIONS = (None, "lzw", "zlib", "packbits", "zstd", "lzma")
PHOTOMETRICS = ("minisblack", "miniswhite", "rgb", "planar")
ALPHAS = (None, "unassalpha", "assocalpha")
STORAGE = ({}, {"rowsperstrip": 5}, {"tile": (16, 32)})
TOLD = {"u1": 255, "u2": 65535, "f2": 1, "f4": 1, "f8": 1}  # kinds that say what is white

CASES = [
    case
    for case in itertools.product(
        KINDS, COMPRESSIONS, PHOTOMETRICS, ALPHAS, "<>", range(len(STORAGE))
    )
    if not (case[2] == "planar" and case[3])  # tifffile writes no planes of alpha beside colours
]


def levels(kind, channels):
    """Random levels that use the range, and what they mean in [0, 1]; None where unknown."""
    white = TOLD.get(kind, 100)
    shares = RANDOM.random((HEIGHT, WIDTH, channels))
    shares[0, 0], shares[0, 1] = 0, 1
    stored = (shares * white).astype(kind) if kind[0] == "f" else np.rint(shares * white)
    stored = stored.astype(kind)
    return stored, (stored.astype(np.float64) / white if kind in TOLD else None)


def write(path, case):
    """A TIFF of one case, and what it shows, (C, H, W) in [0, 1] (None: it cannot be known)."""
    kind, compression, photometric, alpha, order, storage = case
    colours = 3 if photometric in ("rgb", "planar") else 1
    stored, shown = levels(kind, colours)
    options = {"photometric": "rgb" if colours == 3 else photometric, **STORAGE[storage]}
    if alpha:
        opaque = TOLD.get(kind, 100)
        layer = np.full((HEIGHT, WIDTH, 1), opaque, kind)
        layer[::2] = 0 if alpha == "unassalpha" else opaque
        stored = np.concatenate([stored, layer], axis=2)
        options["extrasamples"] = [alpha]
    elif photometric == "planar":
        stored, options["planarconfig"] = np.moveaxis(stored, 2, 0), "separate"
    elif colours == 1:
        stored = stored[..., 0]
    tifffile.imwrite(path, stored, byteorder=order, compression=compression, **options)
    if shown is not None and photometric == "miniswhite":
        shown = None if alpha else 1 - shown
    return None if shown is None else np.moveaxis(shown, 2, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_tiff_matrix(tmp_path, kind):
    path, read, wrong = tmp_path / "x.tif", 0, []
    for case in (case for case in CASES if case[0] == kind):
        shown = write(path, case)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                image = read_image(path)
        except InputError as error:
            if "\n" in str(error) or str(path) not in str(error) or shown is not None:
                wrong.append((case, str(error)))
            continue
        read += 1
        same = shown is not None and np.abs(image.numpy() - shown).max() < 1e-6
        if not same or image_size(path) != (HEIGHT, WIDTH):
            wrong.append((case, "reads as something else"))
    assert wrong == []
    assert read == 0 if kind not in TOLD else read > 200


def test_the_matrix_has_the_size_that_is_stated():
    assert len(CASES) == 3240


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_packed_bits_span_their_own_range(tmp_path, bits, photometric):
    white = 2**bits - 1
    stored = RANDOM.integers(0, white + 1, (9, 16), np.uint16)
    stored = stored.astype(np.uint8) if bits <= 8 else stored
    options = {"bitspersample": bits, "photometric": photometric}
    if bits == 1:
        tifffile.imwrite(tmp_path / "x.tif", stored.astype(bool), photometric=photometric)
    else:
        tifffile.imwrite(tmp_path / "x.tif", stored, compression=None, **options)
    shown = stored / white if photometric == "minisblack" else 1 - stored / white
    np.testing.assert_allclose(read_image(tmp_path / "x.tif")[0], shown, atol=1e-6)


@pytest.mark.parametrize("white", [1023, 4095, 16383])
def test_what_maxsamplevalue_says_is_white(tmp_path, white):
    stored = RANDOM.integers(0, white + 1, (5, 7), np.uint16)
    tags = [(281, "H", 1, white, True)]
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack", extratags=tags)
    np.testing.assert_allclose(read_image(tmp_path / "x.tif")[0], stored / white, atol=1e-6)


@pytest.mark.parametrize(("kind", "code"), [("i2", "h"), ("i4", "i"), ("f4", "f"), ("u2", "H")])
def test_smin_and_smax_are_black_and_white(tmp_path, kind, code):
    low, high = (0, 900) if kind == "u2" else (-100, 300)
    stored = RANDOM.integers(low, high + 1, (5, 7)).astype(kind)
    tags = [(340, code, 1, low, True), (341, code, 1, high, True)]
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack", extratags=tags)
    shown = (stored.astype(float) - low) / (high - low)
    np.testing.assert_allclose(read_image(tmp_path / "x.tif")[0], shown, atol=1e-6)


def test_a_value_beyond_what_the_file_states_is_refused(tmp_path):
    tags = [(281, "H", 1, 4095, True)]
    stored = np.array([[0, 4096]], np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack", extratags=tags)
    with pytest.raises(InputError, match=r"values 0 to 4096, beyond the 0 to 4095 .* data\.range"):
        read_image(tmp_path / "x.tif")


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_colours_that_alpha_is_multiplied_into_are_divided_by_it(tmp_path, kind):
    white = TOLD[kind]
    colours, alpha = np.array([0.2, 0.4, 0.8]), np.array([[1.0, 0.5, 0.0]])
    stored = np.concatenate([alpha[..., None] * colours, alpha[..., None]], 2) * white
    stored = stored if kind == "f4" else np.rint(stored)
    tifffile.imwrite(
        tmp_path / "x.tif", stored.astype(kind), photometric="rgb", extrasamples=["assocalpha"]
    )
    image = read_image(tmp_path / "x.tif").permute(1, 2, 0)[0]
    step = 0 if kind == "f4" else 1 / white  # half a level of colour over half an alpha
    np.testing.assert_allclose(image[:2], [colours, colours], atol=step + 1e-6)
    assert image[2].eq(0).all()  # nothing is known of it


@pytest.mark.parametrize("kind", ["i2", "i4", "u4", "f4"])
def test_a_range_makes_what_is_not_told_readable(tmp_path, kind):
    stored = RANDOM.integers(0, 101, (5, 7)).astype(kind)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack")
    image = read_image(tmp_path / "x.tif", Reading(white=100.0))
    np.testing.assert_allclose(image[0], stored / 100, atol=1e-6)
    with pytest.raises(InputError, match=r"beyond the 0 to 50 of data\.range"):
        read_image(tmp_path / "x.tif", Reading(white=50.0))


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("storage", range(len(STORAGE)))
def test_what_is_cut_off_is_never_filled_up(tmp_path, compression, storage, cut):
    """Pixels come behind or before the header; whatever is lost, no image is made of the rest."""
    stored, _ = levels("u2", 1)
    tifffile.imwrite(
        tmp_path / "x.tif",
        stored[..., 0],
        photometric="minisblack",
        compression=compression,
        **STORAGE[storage],
    )
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[: int(cut * len(content))])
    with pytest.raises(InputError, match="cannot be read as an image") as error:
        read_image(tmp_path / "x.tif")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("compression", [name for name in COMPRESSIONS if name])
def test_a_strip_of_noise_is_refused_or_whole(tmp_path, compression):
    """Broken in its middle, a strip may decode to something; then to all of its pixels."""
    stored, _ = levels("u2", 1)
    tifffile.imwrite(
        tmp_path / "x.tif", stored[..., 0], photometric="minisblack", compression=compression
    )
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content = bytearray((tmp_path / "x.tif").read_bytes())
    content[start + count // 2 : start + count] = bytes(count - count // 2)
    (tmp_path / "x.tif").write_bytes(content)
    with contextlib.suppress(InputError):
        image = read_image(tmp_path / "x.tif")
        assert image.shape == (1, HEIGHT, WIDTH)
        assert torch.isfinite(image).all()
