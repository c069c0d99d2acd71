"""Formats besides PNG, JPEG and TIFF, and files that would run or exhaust something."""

import ast
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import fusionlab
from fusionlab.data.images import Noticed, Reading, image_size, read_image
from fusionlab.errors import InputError

RANDOM = np.random.default_rng(3)
GREY = RANDOM.integers(0, 256, (6, 8), np.uint8)
RGB = RANDOM.integers(0, 256, (6, 8, 3), np.uint8)
TWELVE = RANDOM.integers(0, 4096, (6, 8), np.uint16)


def check(path, shown, reading=None):
    """Whether a file reads as (H, W) or (H, W, C) in [0, 1], and its size is known beforehand."""
    image = read_image(path, reading or Reading())
    shown = np.moveaxis(np.atleast_3d(shown), 2, 0)
    np.testing.assert_allclose(image, shown, atol=1e-6)
    assert image_size(path) == image.shape[1:]


def noticed(path):
    found = Noticed()
    read_image(path, noticed=found)
    return found.lines("ir")


def test_postscript_is_never_run(tmp_path):
    """Pillow would hand it to Ghostscript, whatever the file is called."""
    path, mark = tmp_path / "photo.png", tmp_path / "mark"
    path.write_text(
        f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({mark}) (w) file closefile\nshowpage\n"
    )
    for read in (read_image, image_size):
        with pytest.raises(InputError, match="unknown format"):
            read(path)
    assert not mark.exists()


def test_pillow_is_told_the_formats_wherever_it_opens_a_file():
    for path in Path(fusionlab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                assert "formats" in {one.arg for one in node.keywords}, path


def bomb_png(path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + bytes(4))


def bomb_tiff(path):
    tifffile.imwrite(path, GREY, photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(60000)


def bomb_pgm(path):
    path.write_bytes(b"P5 60000 60000 255\n")


def bomb_hdr(path):
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n")


@pytest.mark.parametrize("make", [bomb_png, bomb_tiff, bomb_pgm, bomb_hdr])
@pytest.mark.parametrize("read", [read_image, image_size])
def test_a_few_bytes_that_claim_billions_of_pixels(tmp_path, make, read):
    make(tmp_path / "x.png")
    with pytest.raises(InputError) as error:
        read(tmp_path / "x.png")
    assert "\n" not in str(error.value)


class Unpickled:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.array([[Unpickled()]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "x.npy")
    assert not Path("unpickled").exists()


@pytest.mark.parametrize("pixels", [GREY, RGB, TWELVE * 16, GREY / 255, GREY > 99])
def test_arrays(tmp_path, pixels):
    np.save(tmp_path / "x.npy", pixels)
    white = {"uint8": 255, "uint16": 65535}.get(pixels.dtype.name, 1)
    check(tmp_path / "x.npy", pixels.astype(float) / white)
    if pixels.ndim == 3:
        np.save(tmp_path / "x.npy", np.moveaxis(pixels, 2, 0))
        check(tmp_path / "x.npy", pixels / 255)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (6, 8, 4), (1, 2, 3, 3)])
def test_arrays_that_are_no_image_are_refused(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=r"x\.npy"):
        read_image(tmp_path / "x.npy")


@pytest.mark.parametrize("white", [1, 15, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_maximum_of_a_pnm_is_white(tmp_path, white, channels):
    stored = RANDOM.integers(0, white + 1, (6, 8, channels)).astype(">u2" if white > 255 else "u1")
    head = f"P{5 if channels == 1 else 6}\n# made by hand\n8 6\n{white}\n".encode()
    (tmp_path / "x.pnm").write_bytes(head + stored.tobytes())
    check(tmp_path / "x.pnm", stored.astype(float) / white)
    (tmp_path / "x.pnm").write_bytes((head + stored.tobytes())[:-1])
    with pytest.raises(InputError, match="truncated"):
        read_image(tmp_path / "x.pnm")


def test_plain_pgm_of_12_bits(tmp_path):
    numbers = " ".join(map(str, TWELVE.ravel()))
    (tmp_path / "x.pgm").write_text(f"P2 8 6 4095\n{numbers}\n")
    image = read_image(tmp_path / "x.pgm")
    np.testing.assert_allclose(image[0], TWELVE / 4095, atol=1 / 65535)  # Pillow makes it 16 bits


@pytest.mark.parametrize("ending", ["webp", "jp2", "gif"])
def test_other_lossless_formats_of_8_bits(tmp_path, ending):
    pixels = GREY if ending == "gif" else RGB
    options = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"x.{ending}", **options)
    image = read_image(tmp_path / f"x.{ending}")
    np.testing.assert_allclose(image[0], pixels.reshape(6, 8, -1)[..., 0] / 255, atol=1e-6)


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_of_more_than_8_bits(tmp_path, bits, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    stored = RANDOM.integers(0, 2**bits, (6, 8, channels), np.uint16).squeeze()
    coded = imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, bitspersample=bits)
    (tmp_path / "x.jp2").write_bytes(coded)
    check(tmp_path / "x.jp2", stored / (2**bits - 1))


def test_frames_and_alpha_are_told(tmp_path):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert any("2 frames, the first is used" in line for line in noticed(tmp_path / "x.gif"))
    tifffile.imwrite(tmp_path / "x.tif", np.stack([GREY, 255 - GREY]), photometric="minisblack")
    check(tmp_path / "x.tif", (255 - GREY) / 255, Reading(page=2))
    with pytest.raises(InputError, match="2 pages, and no page 3"):
        read_image(tmp_path / "x.tif", Reading(page=3))
    alpha = np.full((6, 8, 1), 255, np.uint8)
    Image.fromarray(np.concatenate([RGB, alpha], 2)).save(tmp_path / "x.png")
    assert noticed(tmp_path / "x.png") == []
    Image.fromarray(np.concatenate([RGB, alpha // 2], 2)).save(tmp_path / "x.png")
    assert any("alpha is not opaque" in line for line in noticed(tmp_path / "x.png"))


def test_a_thumbnail_before_the_image_is_passed_over(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(GREY[::4, ::4], subfiletype=1, photometric="minisblack")
        file.write(GREY, photometric="minisblack")
    check(tmp_path / "x.tif", GREY / 255)
    assert noticed(tmp_path / "x.tif") == []


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (GREY.astype(np.uint16), "small part of 0 to 65535"),
        (TWELVE, "small part of 0 to 65535"),
        (TWELVE * 4, "small part of 0 to 65535"),
        (29000 + TWELVE // 2, "small part of 0 to 65535"),
        ((GREY > 99).astype(np.uint8), "small part of 0 to 255"),
        (TWELVE * 16, ""),
        (GREY, ""),
        (GREY // 3, ""),  # a dim photograph
        (np.zeros((6, 8), np.uint8), ""),  # the night
    ],
)
def test_an_implausible_largest_value_is_told(tmp_path, stored, said):
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack")
    lines = noticed(tmp_path / "x.tif")
    assert len(lines) == bool(said)
    assert all(said in line and "data.range" in line for line in lines)


def dicom(path, pixels, **facts):
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840", "1.2.3"
    found = pydicom.dataset.Dataset()
    found.file_meta = meta
    found.Rows, found.Columns = pixels.shape
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated = found.BitsStored = 8 * pixels.dtype.itemsize
    found.HighBit, found.PixelRepresentation = found.BitsStored - 1, int(pixels.dtype.kind == "i")
    found.PixelData = pixels.tobytes()
    for name, value in facts.items():
        setattr(found, name, value)
    found.save_as(path, enforce_file_format=True)


def test_dicom(tmp_path):
    path = tmp_path / "x.dcm"
    dicom(path, TWELVE, BitsStored=12, HighBit=11)
    check(path, TWELVE / 4095)
    dicom(path, TWELVE, BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1")
    check(path, 1 - TWELVE / 4095)
    # Hounsfield units from -1024, brain window: black up to -0.5, white from 79.5 - 0.5
    units = np.array([[-1024, -40, 0, 40, 80, 500]], np.int16)
    window = {"WindowCenter": 40, "WindowWidth": 80}
    dicom(path, units + 1024, RescaleSlope=1, RescaleIntercept=-1024, **window)
    check(path, ((units - 39.5) / 79 + 0.5).clip(0, 1))
    assert any("level 40, width 80" in line for line in noticed(path))
    dicom(path, units)
    with pytest.raises(InputError, match=r"data\.range"):
        read_image(path)


def test_nifti_is_turned_as_it_is_looked_at(tmp_path):
    """First axis to the right, second to the front, as the affine says; the front is above."""
    nibabel = pytest.importorskip("nibabel")
    stored = np.stack([GREY.T[:, ::-1], 255 - GREY.T[:, ::-1]], 2)
    for ending in ("nii", "nii.gz"):
        path = tmp_path / f"x.{ending}"
        nibabel.save(nibabel.Nifti1Image(stored, np.eye(4)), path)
        check(path, GREY / 255)
        check(path, (255 - GREY) / 255, Reading(page=2))
        assert any("2 slices, the first is used" in line for line in noticed(path))
    nibabel.save(nibabel.Nifti1Image(stored, np.diag([-1, 1, 1, 1])), tmp_path / "x.nii")
    check(tmp_path / "x.nii", GREY[:, ::-1] / 255)
    nibabel.save(nibabel.Nifti1Image(stored.astype(np.int16), np.eye(4)), tmp_path / "x.nii")
    with pytest.raises(InputError, match=r"data\.range"):
        read_image(tmp_path / "x.nii")


def test_light_of_any_brightness_needs_a_range(tmp_path):
    openexr, codecs = pytest.importorskip("OpenEXR"), pytest.importorskip("imagecodecs")
    light = RANDOM.random((6, 8, 3)).astype(np.float32) * 4
    head = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    with openexr.File(head, {"RGB": light}) as file:
        file.write(str(tmp_path / "x.exr"))
    (tmp_path / "x.hdr").write_bytes(codecs.rgbe_encode(light))
    check(tmp_path / "x.exr", light / 4, Reading(white=4.0))
    image = read_image(tmp_path / "x.hdr", Reading(white=4.0))
    brightest = light.max(2) / 4  # RGBE shares the exponent of the brightest channel
    assert (np.abs(image.permute(1, 2, 0).numpy() - light / 4).max(2) < brightest / 64).all()
    for name in ("x.exr", "x.hdr"):
        with pytest.raises(InputError, match=r"data\.range"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["x.npy", "x.jp2", "x.webp", "x.gif"])
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused_in_one_line(tmp_path, name, cut):
    path = tmp_path / name
    big = np.kron(RGB, np.ones((8, 8, 1), np.uint8))
    np.save(path, big) if name == "x.npy" else Image.fromarray(big).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(InputError) as error:
        read_image(path)
    assert "\n" not in str(error.value)
