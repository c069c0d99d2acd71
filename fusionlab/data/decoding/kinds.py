"""Which kind of image a file holds: its first bytes say so, never its name."""

from __future__ import annotations

from pathlib import Path

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    *((b"P%d" % k, "PPM") for k in (1, 2, 3, 4)),
    (b"P5", "PNM"),
    (b"P6", "PNM"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # of more than 4 GB
    (b"MM\0+", "TIFF"),
    (b"\x93NUMPY", "NPY"),
    (b"\x76\x2f\x31\x01", "EXR"),
    (b"#?RADIANCE", "HDR"),
    (b"#?RGBE", "HDR"),
)
PILLOW = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "JPEG2000", "PPM")  # by its own names
READERS = {  # the modules that read them
    **dict.fromkeys(PILLOW, "pillow"),
    **{"PNM": "pnm", "TIFF": "tiff", "NPY": "arrays", "DICOM": "dicom", "NIFTI": "nifti"},
    **{"EXR": "radiance", "HDR": "radiance"},
}
_HEAD = 352  # bytes, of NIfTI's header, the longest


def kind_of(path: Path) -> str:
    """The kind of an image file; empty if it is none that is read.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    found = next((kind for start, kind in SIGNATURES if head.startswith(start)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[344:347] in (b"n+1", b"n+2") or (head[4:7] in (b"n+1", b"n+2")):
        return "NIFTI"
    if head[:2] == b"\x1f\x8b" and path.name.casefold().endswith(".nii.gz"):
        return "NIFTI"
    return found
