"""What a user may type wrongly: one line, exit code 2, nothing written."""

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Sources of several kinds in the working folder."""
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate(("vi.png", "ir.png", "a.png", "b.png", "d/vi.png", "e/ir.png")):
        write(Path(name), k)
    write(Path("small.png"), 0, size=(12, 14))
    write(Path("dot/vi.png"), 0, size=(1, 1))
    write(Path("dot/ir.png"), 0, size=(1, 1))
    Path("text.png").write_text("no image")
    Path("cut.png").write_bytes(Path("ir.png").read_bytes()[:-40])
    Path("clip.mp4").write_text("no video")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("", ["inputs"]),
        ("vi.png ir.png", ["output"]),
        ("vi.png -o out.png", ["vi.png", "two or more"]),
        ("vi.png no.png -o out.png", ["no.png"]),
        ("vi.png d -o out.png", ["vi.png", "images", "folders"]),
        ("vi.png clip.mp4 -o out.mp4", ["clip.mp4", "videos"]),
        ("vi.png ir.png -o out.mp4", ["out.mp4", ".png"]),
        ("vi.png ir.png -o d", ["-o d", ".png"]),
        ("vi.png ir.png -o out", ["-o out", ".png"]),
        ("d e -o out.png", ["out.png", "folder"]),
        ("d e -o a.png", ["a.png", "folder"]),
        ("clip.mp4 clip.mp4 -o out.png", ["out.png", ".mp4"]),
        ("a.png b.png -o out.png", ["a, b", "--task", "mff"]),
        ("vi.png small.png --task vif -o out.png", ["vi.png", "small.png", "14x12", "16x12"]),
        ("vi.png text.png --task vif -o out.png", ["text.png", "cannot be read"]),
        ("vi.png cut.png --task vif -o out.png", ["cut.png", "cannot be read"]),
        ("vi.png ir.png -o ir.png --overwrite", ["ir.png", "is a source"]),
        ("vi.png ir.png -o out.png --rd-dir rd", ["--rd-dir", "--ttd"]),
        ("vi.png ir.png -o out.png --task vis", ["task", "vif", "vis"]),
        ("vi.png ir.png -o out.png --colour blue", ["colour", "luma", "blue"]),
        ("vi.png ir.png -o out.png --sources [vi]", ["sources", "2 different"]),
        ("vi.png ir.png -o out.png --sources [vi,VI]", ["sources", "2 different"]),
        ("vi.png ir.png -o out.png --sources [vi,x/y]", ["sources", "x/y"]),
        ("vi.png ir.png -o out.png --sources ['',ir]", ["sources", "''"]),
        ("vi.png ir.png -o out.png --network.name ifcn", ["network.name", "ifcnn", "ifcn"]),
        ("vi.png ir.png -o out.png --network.options.rul max", ["'rul'", "rule"]),
        ("vi.png ir.png -o out.png --network.checkpoint no.pth", ["no.pth"]),
        ("vi.png ir.png -o out.png --ttd.form cubic", ["ttd.form", "sigmoid", "cubic"]),
        ("vi.png ir.png -o out.png --ttd.temperature -1", ["ttd.temperature", "at least 0"]),
        ("vi.png ir.png -o out.png --ttd.loss [l1,mse]", ["ttd.loss", "give one setting"]),
        ("vi.png ir.png -o out.png --no.such 3", ["no.such"]),
    ],
)
def test_a_mistake_is_one_line(argv, expected, files, refused):
    line = refused(*argv.split())
    assert [part for part in expected if part not in line] == []


def test_a_network_s_limits_are_told(files, refused, run, tmp_path):
    from fusionlab.networks import create_network, save_checkpoint

    for name in ("piafusion", "cddfuse"):
        save_checkpoint(create_network(name), tmp_path / f"{name}.safetensors")
    pia = ("--network.name", "piafusion", "--network.checkpoint", "piafusion.safetensors")
    line = refused(*pia, "vi.png", "ir.png", "a.png", "--task", "vif", "-o", "out.png")
    assert "piafusion takes exactly 2 sources" in line
    gradient = ("--ttd.basis", "gradient", "vi.png", "ir.png", "-o", "out.png")
    _, _, err = run(*pia, *gradient)
    assert "error: this network makes what is compared from other features" in err
    line = refused(*pia, "vi.png", "ir.png", "--colour", "rgb", "-o", "out.png")
    assert "colour is rgb" in line
    assert "data." not in line
    cdd = ("--network.name", "cddfuse", "--network.checkpoint", "cddfuse.safetensors")
    line = refused(*cdd, "dot/vi.png", "dot/ir.png", "-o", "out.png")
    assert "is 1x1 pixels, cddfuse takes 2x2 or more" in line


def test_a_result_that_is_no_number_is_not_written(files, run, broken_weights):
    code, out, err = run(
        "vi.png", "ir.png", "--network.checkpoint", broken_weights, "-o", "out.png"
    )
    assert (code, out) == (2, "")
    assert "error: vi fused statically to NaN or infinity" in err
    assert not Path("out.png").exists()


def test_a_place_that_cannot_be_written_is_named(files, run):
    code, out, err = run("--quiet", "vi.png", "ir.png", "-o", "a.png/out.png")
    assert (code, out) == (2, "")
    assert "error: cannot write the results of a.png/out.png" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [["--help"], ["a.png", "-o", "b.png", "--ttd.form", "cubic"]])
def test_help_and_mistakes_do_without_torch(argv):
    code = (
        "import sys\nfrom fusionlab.cli.fuse import main\n"
        f"try: main({argv!r})\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == 0
