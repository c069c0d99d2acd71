import struct
import zlib
from itertools import product

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from fusionlab.data.files import is_image
from fusionlab.data.images import image_size, read_image
from fusionlab.errors import InputError

RANDOM = np.random.default_rng(0)
GREY, RGB, RGBA = (RANDOM.integers(0, 256, (5, 7, c), np.uint8) for c in (1, 3, 4))
DEEP_GREY, DEEP_RGB, DEEP_RGBA = (
    RANDOM.integers(0, 65536, (5, 7, c), np.uint16) for c in (1, 3, 4)
)
BITS = RANDOM.integers(0, 2, (5, 7, 1), np.uint8)
PNG_COLOUR_TYPES = {"grey": 0, "rgb": 2, "grey alpha": 4, "rgba": 6}
ORIENTATION = 0x0112


def write_png(path, pixels, colour_type, bits=16, extra=b""):
    """A PNG by hand: Pillow writes no 16-bit colour. ``extra`` goes between header and pixels."""
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, bits, PNG_COLOUR_TYPES[colour_type], 0, 0, 0)
    rows = [row.astype(">u2" if bits == 16 else "u1").tobytes() for row in pixels]
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pillow(pixels, mode=None):
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    return image.convert(mode) if mode else image


def palette_image():
    image = Image.fromarray(BITS.squeeze(-1) + 1, mode="P")
    image.putpalette([0, 0, 0, 250, 100, 50, 3, 2, 1])
    return image


def same(path, pixels, full):
    """Whether a file reads as pixels (H, W, C), exactly, and its size is known beforehand."""
    expected = torch.from_numpy(pixels.astype(np.float32) / full).permute(2, 0, 1)
    image = read_image(path)
    return image.equal(expected) and image_size(path) == image.shape[1:]


def in_one_line(error, path):
    return str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "tiff", "PNG", "Bmp"])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_grey_and_rgb_of_8_bits(tmp_path, extension, pixels):
    path = tmp_path / f"image.{extension}"
    pillow(pixels).save(path)
    assert same(path, pixels, 255)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(pillow(RGBA), RGBA[..., :3], id="RGBA"),
        pytest.param(pillow(RGBA[..., :2]), RGBA[..., :1], id="LA"),
        pytest.param(palette_image(), np.array([[250, 100, 50], [3, 2, 1]])[BITS[..., 0]], id="P"),
        pytest.param(pillow(BITS * 255, "1"), BITS * 255, id="1"),
    ],
)
def test_alpha_is_dropped_and_palettes_and_bits_are_looked_up(tmp_path, image, expected):
    image.save(tmp_path / "image.png")
    assert same(tmp_path / "image.png", expected, 255)


@pytest.mark.filterwarnings("error")
def test_a_palette_with_transparency_keeps_its_colours(tmp_path):
    image = palette_image()
    image.save(tmp_path / "image.png", transparency=bytes([255, 0, 128]))
    expected = np.array([[250, 100, 50], [3, 2, 1]])[BITS[..., 0]]
    assert same(tmp_path / "image.png", expected, 255)


def test_grey_of_4_bits_spans_the_whole_range(tmp_path):
    levels = np.arange(16).reshape(2, 8, 1)
    packed = levels[:, ::2] * 16 + levels[:, 1::2]
    write_png(tmp_path / "image.png", packed, "grey", bits=8)
    content = bytearray((tmp_path / "image.png").read_bytes())
    content[16:33] = struct.pack(">IIBBBBB", 8, 2, 4, 0, 0, 0, 0) + bytes(4)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "image.png").write_bytes(content)
    assert same(tmp_path / "image.png", levels * 17, 255)


@pytest.mark.parametrize("colour", [(77,), (200, 30, 60)], ids=["grey", "rgb"])
def test_jpeg(tmp_path, colour):
    pillow(np.full((16, 24, len(colour)), colour, np.uint8)).save(tmp_path / "flat.jpg", quality=95)
    image = read_image(tmp_path / "flat.jpg")
    assert image.shape == (len(colour), 16, 24)
    expected = torch.tensor(colour)[:, None, None].expand(image.shape)
    # YCbCr is stored in whole levels: half a level times 1.772 at most, then rounded
    torch.testing.assert_close(image * 255, expected.float(), atol=2, rtol=0)


@pytest.mark.parametrize(
    ("pixels", "colour_type"),
    [(DEEP_GREY, "grey"), (DEEP_RGB, "rgb"), (DEEP_RGBA, "rgba")],
    ids=["grey", "rgb", "rgba"],
)
@pytest.mark.parametrize("name", ["image.png", "image.PNG", "png inside.jpg"])
def test_png_of_16_bits(tmp_path, pixels, colour_type, name):
    write_png(tmp_path / name, pixels, colour_type)
    assert same(tmp_path / name, pixels[..., :3], 65535)


@pytest.mark.parametrize(
    ("stored", "options", "expected"),
    [
        pytest.param(DEEP_GREY[..., 0], {}, DEEP_GREY, id="grey"),
        pytest.param(DEEP_GREY[..., 0], {"byteorder": ">"}, DEEP_GREY, id="grey, big-endian"),
        pytest.param(DEEP_RGB, {}, DEEP_RGB, id="rgb"),
        pytest.param(DEEP_RGB, {"byteorder": ">"}, DEEP_RGB, id="rgb, big-endian"),
        pytest.param(DEEP_RGB, {"compression": "zlib", "predictor": 2}, DEEP_RGB, id="compressed"),
        pytest.param(DEEP_RGBA, {"extrasamples": ["unassalpha"]}, DEEP_RGBA[..., :3], id="rgba"),
        pytest.param(
            np.moveaxis(DEEP_RGB, 2, 0), {"planarconfig": "separate"}, DEEP_RGB, id="rgb, planar"
        ),
        pytest.param(np.stack([DEEP_RGB, DEEP_RGB // 2]), {}, DEEP_RGB, id="rgb, two pages"),
    ],
)
def test_tiff_of_16_bits(tmp_path, stored, options, expected):
    """Of several pages the first is the image, as it is at 8 bits."""
    photometric = "minisblack" if stored.ndim == 2 else "rgb"
    tifffile.imwrite(tmp_path / "image.tif", stored, photometric=photometric, **options)
    assert same(tmp_path / "image.tif", expected, 65535)


def test_integers_of_32_bits_that_fit_in_16(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", DEEP_GREY[..., 0].astype(np.uint32))
    assert same(tmp_path / "image.tif", DEEP_GREY, 65535)


@pytest.mark.parametrize("value", [-1, 65536])
def test_integers_beyond_16_bits_are_refused(tmp_path, value):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.array([[0, value], [7, 1]], np.int32))
    with pytest.raises(InputError, match=r"mode I with values .*; save it as 8 or 16 bit") as error:
        read_image(path)
    assert in_one_line(error, path)


@pytest.mark.filterwarnings("error")
def test_a_float_tiff_is_taken_as_it_is(tmp_path):
    """Into memory of its own: PyTorch warns that a view of Pillow's must not be written to."""
    pixels = RANDOM.random((5, 7, 1), np.float32)
    tifffile.imwrite(tmp_path / "image.tif", pixels[..., 0])
    assert same(tmp_path / "image.tif", pixels, 1)


@pytest.mark.parametrize("value", [-0.5, 255.0, float("nan")])
def test_a_float_tiff_beyond_0_to_1_is_refused(tmp_path, value):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.array([[0, value], [0.5, 1]], np.float32))
    with pytest.raises(InputError, match=r"mode F with values .*; save it as 8 or 16 bit") as error:
        read_image(path)
    assert in_one_line(error, path)


# How an image with rows 123 and 456 is to be shown, by EXIF orientation
UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
    9: [[1, 2, 3], [4, 5, 6]],  # no such orientation
}


def write_turned(path, kind, orientation):
    """Write the image above, a block of 8x8 pixels per digit (as JPEG codes it), and its tag."""
    levels = np.kron(np.arange(1, 7, dtype=np.uint8).reshape(2, 3) * 40, np.ones((8, 8), np.uint8))
    deep = levels.astype(np.uint16) * 257
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    if kind in ("jpg", "png", "tif"):
        tag = {"tiffinfo": {ORIENTATION: orientation}} if kind == "tif" else {"exif": exif}
        Image.fromarray(levels).save(path, **tag)
    elif kind == "16-bit rgb png":
        tag = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
        write_png(path, np.dstack([deep] * 3), "rgb", extra=tag)
    else:
        pixels, photometric = (
            (np.dstack([deep] * 3), "rgb") if "rgb" in kind else (deep, "minisblack")
        )
        tag = [(ORIENTATION, "H", 1, orientation, True)]
        tifffile.imwrite(path, pixels, photometric=photometric, extratags=tag)


KINDS = ("jpg", "png", "tif", "16-bit grey tif", "16-bit rgb tif", "16-bit rgb png")


@pytest.mark.parametrize(("kind", "orientation"), list(product(KINDS, UPRIGHT)))
def test_exif_orientation(tmp_path, kind, orientation):
    path = tmp_path / f"image.{kind.split()[-1]}"
    write_turned(path, kind, orientation)
    image = read_image(path)
    digits = (image[:, 4::8, 4::8] * 255 / 40).round().int()
    assert digits.tolist() == [UPRIGHT[orientation]] * len(image)
    assert image_size(path) == image.shape[1:]


def write_noise(path):
    pixels = np.random.default_rng(1).integers(0, 65536, (64, 48, 3), np.uint16)
    if path.name.startswith("16"):
        if path.suffix == ".png":
            write_png(path, pixels, "rgb")
        else:
            tifffile.imwrite(path, pixels, photometric="rgb")
    else:
        Image.fromarray((pixels // 257).astype(np.uint8)).save(path)


@pytest.mark.parametrize(
    "name", ["8.png", "8.jpg", "8.tif", "8.bmp", "16.png", "16.tif"], ids=lambda name: name
)
def test_a_truncated_file_is_refused(tmp_path, name):
    path = tmp_path / name
    write_noise(path)
    assert read_image(path).shape == (3, 64, 48)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be read as an image") as error:
        read_image(path)
    assert in_one_line(error, path)


@pytest.mark.parametrize("name", ["8.png", "8.jpg", "16.png"])
def test_the_size_needs_the_header_alone(tmp_path, name):
    path = tmp_path / name
    write_noise(path)
    path.write_bytes(path.read_bytes()[:1500])
    assert image_size(path) == (64, 48)


@pytest.mark.parametrize("read", [read_image, image_size])
@pytest.mark.parametrize(
    "content", [b"", b"no image\nat all\n" * 9, b"\x89PNG\r\n\x1a\n", b"\xff\xd8"]
)
def test_what_is_no_image_is_refused(tmp_path, read, content):
    path = tmp_path / "not an image.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as an image \([\w ]+\); get it") as error:
        read(path)
    assert in_one_line(error, path)


@pytest.mark.parametrize("read", [read_image, image_size])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(InputError, match=r"no image at .*gone\.png"):
        read(tmp_path / "gone.png")


@pytest.mark.parametrize(("mode", "extension"), [("CMYK", "jpg"), ("LAB", "tif")])
def test_other_modes_are_refused(tmp_path, mode, extension):
    path = tmp_path / f"image.{extension}"
    Image.new(mode, (4, 4)).save(path)
    with pytest.raises(InputError, match=f"has mode {mode}.*; save it as") as error:
        read_image(path)
    assert in_one_line(error, path)


def test_16_bit_grey_with_alpha_is_refused(tmp_path):
    path = tmp_path / "image.png"
    write_png(path, DEEP_RGBA[..., :2], "grey alpha")
    with pytest.raises(InputError, match=r"16-bit grey with alpha.*; remove the alpha") as error:
        read_image(path)
    assert in_one_line(error, path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("01.png", True),
        ("a b.JPeG", True),
        ("x.TIF", True),
        ("x.tiff", True),
        ("x.bmp", True),
        ("ev.txt", False),
        ("png", False),
        ("._01.png", False),  # macOS leaves these beside the real ones
        ("x.png.partial", False),
    ],
)
def test_the_name_says_what_is_an_image(tmp_path, name, expected):
    assert is_image(tmp_path / name) is expected
