"""Folders of pictures through the real program."""

import pytest

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
    assert len(list((tmp_path / "rd").iterdir())) == 3 * 3
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
