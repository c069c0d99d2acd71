"""Folders of pictures through the real program."""

import numpy as np
import pytest
from PIL import Image

from .conftest import pixels, write


@pytest.fixture
def folders(tmp_path):
    """``vi`` and ``ir`` with three pairs that match case-folded, whatever their extension."""
    for k, (vi, ir) in enumerate((("2", "2"), ("10", "10"), ("Dusk", "dusk"))):
        write(tmp_path / "vi" / f"{vi}.png", k, colour=True)
        write(tmp_path / "ir" / f"{ir}.{'bmp' if k else 'tif'}", 9 + k)
    return tmp_path / "vi", tmp_path / "ir"


def test_every_pair_is_fused_as_by_itself(folders, run, tmp_path):
    vi, ir = folders
    code, _, err = run("--ttd", *folders, "-o", tmp_path / "out", "--rd-dir", tmp_path / "rd")
    assert code == 0
    assert "vif: vi, ir; ifcnn+TTD, luma" in err
    assert "3/3" in err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["10.png", "2.png", "dusk.png"]
    assert len(list((tmp_path / "rd").iterdir())) == 3 * 4  # two maps, legend, arrays
    run("--ttd", vi / "Dusk.png", ir / "dusk.bmp", "-o", tmp_path / "alone.png")
    alone = (tmp_path / "alone.png").read_bytes()
    assert (tmp_path / "out" / "dusk.png").read_bytes() == alone


def test_a_file_that_is_broken_costs_its_own_image_only(folders, run, tmp_path):
    vi, _ = folders
    broken = vi / "10.png"
    broken.write_bytes(broken.read_bytes()[:-60])
    code, _, err = run(*folders, "-o", tmp_path / "out")
    assert code == 1
    assert f"not fused: {broken} cannot be read as an image" in err
    assert "1 of 3 samples not fused" in err
    assert "Traceback" not in err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["2.png", "dusk.png"]
    assert pixels(tmp_path / "out" / "dusk.png").shape == (12, 16, 3)


@pytest.mark.parametrize("content", [b"junk", b""])
def test_a_file_that_is_no_image_costs_its_own_image_only(folders, run, tmp_path, content):
    broken = tmp_path / "ir" / "10.bmp"
    broken.write_bytes(content)
    code, _, err = run(*folders, "-o", tmp_path / "out")
    assert code == 1
    assert f"not fused: {broken} cannot be read as an image" in err
    assert "1 of 3 samples not fused" in err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["2.png", "dusk.png"]


def test_what_is_automatic_is_chosen_on_the_images_that_can_be_read(folders, run, tmp_path):
    vi, ir = folders
    auto = ("--ttd.temperature", "auto", "--ttd.basis", "gradient", "--ttd.channel", "auto")
    whole, broken = tmp_path / "whole", vi / "2.png"
    kept = broken.read_bytes()
    broken.write_bytes(kept[:-60])
    assert run(*auto, *folders, "-o", tmp_path / "out")[0] == 1
    for path in (broken, ir / "2.tif"):
        path.unlink()
    assert run(*auto, *folders, "-o", whole)[0] == 0
    for name in ("10.png", "dusk.png"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()


def test_what_is_automatic_is_chosen_once_for_a_folder(folders, run, tmp_path):
    vi, ir = folders
    write(vi / "2.png", 7, colour=True)
    flat = np.full((12, 16), 90, np.uint8)  # nothing to choose by: RD alone would be uniform
    for folder, name in ((vi, "Dusk.png"), (ir, "dusk.bmp")):
        Image.fromarray(flat).save(folder / name)
    auto = ("--ttd.temperature", "auto")
    run(*auto, *folders, "-o", tmp_path / "all", "--rd-dir", tmp_path / "rd")
    run(*auto, vi / "2.png", ir / "2.tif", "-o", tmp_path / "2.png", "--rd-dir", tmp_path)
    folder, alone = (np.load(place / "2.npz") for place in (tmp_path / "rd", tmp_path))
    assert np.array_equal(folder["losses"], alone["losses"])
    assert not np.array_equal(folder["rd"], alone["rd"])


def test_letters_of_the_folders_are_no_part_of_a_name(tmp_path, run):
    for k, (folder, letter) in enumerate((("imageA", "A"), ("imageB", "B"))):
        write(tmp_path / folder / f"001_{letter}.png", k)
    argv = (tmp_path / "imageA", tmp_path / "imageB", "-o", tmp_path / "out")
    assert run(*argv)[0] == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["001.png"]


def test_quiet_shows_no_bar(folders, run, tmp_path):
    out = tmp_path / "out"
    assert run("--quiet", *folders, "-o", out) == (0, f"{out}\n", "")


def test_a_missing_partner_is_named(folders, refused, tmp_path):
    (tmp_path / "ir" / "dusk.bmp").unlink()
    line = refused(*folders, "-o", tmp_path / "out")
    assert str(tmp_path / "vi" / "Dusk.png") in line
    assert str(tmp_path / "ir" / "Dusk") in line
    assert "data." not in line


def test_two_files_of_one_name_are_refused(folders, refused, tmp_path):
    write(tmp_path / "ir" / "DUSK.png", 5)
    assert "have the same name" in refused(*folders, "-o", tmp_path / "out")


def test_a_pair_of_two_sizes_is_found_before_anything_is_fused(folders, refused, tmp_path):
    odd = write(tmp_path / "ir" / "10.bmp", 5, size=(12, 14))
    line = refused(*folders, "-o", tmp_path / "out")
    assert f"{odd} is 14x12 but {tmp_path / 'vi' / '10.png'} is 16x12" in line


def test_an_empty_folder_is_named(folders, refused, tmp_path):
    (tmp_path / "vis").mkdir()
    line = refused(tmp_path / "vis", folders[1], "-o", tmp_path / "out")
    assert str(tmp_path / "vis") in line


@pytest.mark.parametrize("place", ["vi", "ir"])
def test_results_do_not_lie_among_the_sources(place, folders, refused, tmp_path):
    argv = ("--overwrite", "--ttd", *folders)
    line = refused(*argv, "-o", tmp_path / "out", "--rd-dir", tmp_path / place)
    assert "among the sources" in line
    line = refused(*argv, "-o", tmp_path / place)
    assert str(tmp_path / place) in line


def test_maps_and_images_of_one_name_are_refused(tmp_path, refused):
    for k, source in enumerate(("vi", "ir")):
        for name in ("01", "01-ir"):
            write(tmp_path / source / f"{name}.png", k)
    both = ("-o", tmp_path / "out", "--rd-dir", tmp_path / "out")
    line = refused("--ttd", tmp_path / "vi", tmp_path / "ir", *both)
    assert "01-ir.png would be written twice" in line


def test_what_has_no_partner_is_left_out_on_request(folders, run, tmp_path):
    write(tmp_path / "vi" / "lone.png", 3)
    (tmp_path / "ir" / "7.avif").write_bytes(b"some")
    code, _, err = run(*folders, "-o", tmp_path / "out")
    assert code == 2
    assert "7.avif is of a format that is not read" in err
    (tmp_path / "ir" / "7.avif").unlink()
    code, _, err = run(*folders, "-o", tmp_path / "out")
    assert code == 2
    assert "lone.png" in err
    code, _, err = run(*folders, "-o", tmp_path / "out", "--allow_unmatched")
    assert code == 0
    assert "1 files without a partner left out (lone.png …)" in err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["10.png", "2.png", "dusk.png"]
    pair = (folders[0] / "2.png", folders[1] / "2.tif")
    code, _, err = run(*pair, "-o", tmp_path / "one.png", "--allow_unmatched")
    assert "--allow_unmatched is for folders, not images" in err


def test_displaced_folders_are_told_once(run, tmp_path):
    rng = np.random.default_rng(0)
    whole = np.kron(rng.integers(0, 256, (20, 24)), np.ones((8, 8))).astype(np.uint8)
    for source, image in (("vi", whole[:128, :160]), ("ir", 255 - whole[20:148, 20:180])):
        (tmp_path / source).mkdir()
        for name in "12":
            Image.fromarray(image).save(tmp_path / source / f"{name}.png")
    code, _, err = run(tmp_path / "vi", tmp_path / "ir", "-o", tmp_path / "out")
    assert code == 0
    (line,) = [line for line in err.splitlines() if "displaced" in line]
    assert "ir seems displaced against vi in 2 of 2 samples looked at" in line
    assert "1: (-20, -20) pixels" in line
