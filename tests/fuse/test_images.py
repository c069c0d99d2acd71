"""Single pictures through the real program."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.data.test_registration import cut, save, scene

from .conftest import pixels, write

SETS = {  # sources by name, with what they are
    "vif": {"vi": {"colour": True}, "ir": {}},
    "mif": {"mri": {"deep": True}, "pet": {"colour": True}},
    "mff": {"near": {"colour": True}, "middle": {"colour": True}, "far": {"colour": True}},
}


@pytest.fixture
def planted(tmp_path):
    """``<task>/<source>/01.png`` of every set."""

    def plant(task):
        named = SETS[task]
        return {
            name: write(tmp_path / task / name / "01.png", seed, **what)
            for seed, (name, what) in enumerate(named.items())
        }

    return plant


def test_uniform_dominability_is_the_static_image(planted, run, tmp_path):
    sources = planted("mff").values()
    run(*sources, "-o", tmp_path / "static.png")
    run("--ttd.temperature", "0", *sources, "-o", tmp_path / "uniform.png")
    run("--ttd", *sources, "-o", tmp_path / "ttd.png")
    static, uniform, ttd = (
        (tmp_path / f"{name}.png").read_bytes() for name in ("static", "uniform", "ttd")
    )
    assert static == uniform != ttd


@pytest.mark.parametrize(
    "argv",
    [
        ["--ttd", "--ttd.temperature=9"],
        ["--ttd.temperature=9", "--ttd"],
        ["--ttd.temperature=9"],
        ["--ttd", "{temperature: 9}"],
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_bare_ttd_takes_no_file_and_loses_no_option(argv, first, planted, run, tmp_path):
    files = [*planted("vif").values(), "-o", tmp_path / "out.png", "--rd-dir", tmp_path / "rd"]
    assert run(*(argv + files if first else files + argv))[0] == 0
    losses, rd = (np.load(tmp_path / "rd" / "out.npz")[key] for key in ("losses", "rd"))
    shares = np.exp(np.exp(-9 * losses))  # of the softmax, without their sum
    np.testing.assert_allclose(rd, shares / shares.sum(0), atol=1e-5)


def test_the_order_of_known_names_is_the_data_sets(planted, run, tmp_path):
    vi, ir = planted("vif").values()
    for name, files in (("one", (vi, ir)), ("other", (ir, vi))):
        rd = tmp_path / name
        assert run("--ttd", *files, "-o", tmp_path / f"{name}.png", "--rd-dir", rd)[0] == 0
        assert np.load(rd / f"{name}.npz")["source_names"].tolist() == ["vi", "ir"]
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_names_that_are_given_keep_their_order(tmp_path, run):
    files = [write(tmp_path / f"{k}.png", k) for k in range(2)]
    argv = ["--ttd", *files, "-o", tmp_path / "out.png", "--rd-dir", tmp_path]
    assert run(*argv, "--sources", "[ir, vi]")[0] == 0
    assert np.load(tmp_path / "out.npz")["source_names"].tolist() == ["ir", "vi"]
    assert (tmp_path / "out-ir.png").is_file()


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (["vi.png", "IR.png"], "vif: vi, IR; ifcnn, luma"),
        (["01_far.png", "01_near.png"], "mff: near, far; ifcnn, rgb"),
        (["under/7.png", "over/7.png"], "mef: under, over; ifcnn, luma"),
        (["a/ct.png", "b/mri.png"], "mif: mri, ct; ifcnn, luma"),
    ],
)
def test_the_task_is_told_by_the_names(files, line, tmp_path, run):
    paths = [write(tmp_path / name, seed) for seed, name in enumerate(files)]
    code, out, err = run(*paths, "-o", tmp_path / "out.png")
    assert (code, out) == (0, f"{tmp_path / 'out.png'}\n")
    task = line[:3]
    learned = {"vif": "seafusion", "mef": "weightnet", "mff": "weightnet"}.get(task)
    better = "weightnet is nearer to the truth of real pictures: --network.name weightnet\n"
    if task == "vif":
        better = "seafusion keeps more of what both sensors show: --network.name seafusion\n"
    assert err == f"{line}\n" + (better if learned else "")
    if learned:
        again = run(*paths, "-o", tmp_path / "again.png", "--network.name", learned)[2]
        assert "--network.name" not in again


def test_a_task_that_is_given_decides(tmp_path, run):
    paths = [write(tmp_path / f"{k}.png", k, colour=True) for k in range(3)]
    argv = ("--task", "mff", "--colour", "luma")
    assert "mff: 0, 1, 2; ifcnn, luma" in run(*paths, *argv, "-o", tmp_path / "out.png")[2]


def test_files_of_one_name_are_numbered(tmp_path, run):
    paths = [write(tmp_path / side / "x" / "01.png", k) for k, side in enumerate("ab")]
    assert "mef: 1, 2;" in run(*paths, "--task", "mef", "-o", tmp_path / "out.png")[2]


def test_other_formats_hold_the_same_image(planted, run, tmp_path):
    sources = planted("vif").values()
    for ending in ("png", "tif", "JPG"):
        code, _, err = run(*sources, "-o", tmp_path / "new" / f"out.{ending}")
        assert code == 0
        assert ("JPEG is lossy" in err) == (ending == "JPG")
    image = pixels(tmp_path / "new" / "out.png")
    assert image.shape == (12, 16, 3)
    assert image.dtype == np.uint8
    assert np.array_equal(pixels(tmp_path / "new" / "out.tif"), image)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=0)
    assert np.array_equal(pixels(tmp_path / "new" / "out.JPG"), np.asarray(Image.open(buffer)))


def test_grey_sources_give_a_grey_file(tmp_path, run):
    paths = [write(tmp_path / f"{name}.png", k) for k, name in enumerate(("vi", "ir"))]
    for ending in ("png", "tif"):
        run(*paths, "-o", tmp_path / f"out.{ending}")
        assert pixels(tmp_path / f"out.{ending}").ndim == 2


def test_overwriting_is_asked_for(planted, run, refused, tmp_path):
    sources, out = planted("vif").values(), tmp_path / "out.png"
    out.write_text("precious")
    assert f"{out} exists; add --overwrite" in refused(*sources, "-o", out)
    assert out.read_text() == "precious"
    assert run(*sources, "-o", out, "--overwrite", "--quiet") == (0, f"{out}\n", "")
    assert pixels(out).shape == (12, 16, 3)


def test_a_map_in_the_way_is_found_before_anything_is_fused(planted, refused, tmp_path):
    (tmp_path / "out-ir.png").write_text("precious")
    argv = ("--ttd", *planted("vif").values(), "-o", tmp_path / "out.png", "--rd-dir", tmp_path)
    assert "out-ir.png exists" in refused(*argv)


def test_images_of_two_sizes_are_refused_or_resized(tmp_path, run):
    paths = [tmp_path / "vi.png", tmp_path / "ir.png"]
    for path, size in zip(paths, ((40, 30), (32, 24)), strict=True):
        Image.new("L", size, 90).save(path)
    code, _, err = run(*paths, "-o", tmp_path / "out.png")
    assert code == 2
    assert "vi.png is 40x30" in err
    assert "--resize" in err
    code, _, err = run(*paths, "-o", tmp_path / "out.png", "--resize", "smallest")
    assert code == 0
    assert "resized to the smallest" in err
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (32, 24)
    folders = [tmp_path / path.stem for path in paths]
    for folder, path in zip(folders, paths, strict=True):
        folder.mkdir()
        path.rename(folder / "1.png")
    code, _, err = run(*folders, "-o", tmp_path / "all", "--resize", "first")
    assert code == 0
    assert "1 of 1 samples have images of different sizes; they are resized to the first" in err


def test_displaced_images_are_aligned_on_request(tmp_path, run):
    save(tmp_path / "vi.png", cut(scene(), 0, 0))
    save(tmp_path / "ir.png", 1 - cut(scene(), 20, 12))
    paths = [tmp_path / "vi.png", tmp_path / "ir.png"]
    options = ["-o", tmp_path / "out.png", "--network.name", "average"]
    code, _, err = run(*paths, *options, "--align", "translation")
    assert code == 0
    assert "1 of 1 samples were aligned to their first source (translation) and cut" in err
    with Image.open(tmp_path / "out.png") as fused:
        assert fused.size == (140, 128)
        low, high = fused.convert("L").getextrema()
    assert 126 <= low <= high <= 129, "what is bright in one is dark in the other"
