"""Videos through the real program: what comes out is what the frames give as pictures."""

import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

import fusionlab.fuse.video
from fusionlab.data.colour import to_levels
from fusionlab.errors import InputError
from fusionlab.fuse.encoding import VideoWriter
from fusionlab.fuse.video import VideoDataset, read_frames, video_facts
from fusionlab.runs.files import write_picture
from fusionlab.runs.rd_colours import RDScale

from .conftest import pixels, smooth_frames

av = pytest.importorskip("av", reason='no PyAV: pip install "fusionlab[video]"')

RATE = Fraction(30000, 1001)


def write_video(path, frames, rate=RATE):
    with VideoWriter(path, rate) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def write_raw(path, frames, pixel_format):
    """A lossless video of arrays in the format that it stores."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=pixel_format)))
        container.mux(stream.encode())
    return path


def levels(path):
    return [(255 * frame).round().byte().permute(1, 2, 0).numpy() for frame in read_frames(path)]


@pytest.fixture
def pair(tmp_path):
    """A coloured and a grey video of eight frames."""
    vi = write_video(tmp_path / "vi.mp4", smooth_frames(0))
    return vi, write_video(tmp_path / "ir.mkv", smooth_frames(1, colour=False))


@pytest.fixture
def written(monkeypatch):
    """The frames that are given to each writer, before the codec."""
    frames = {}
    whole = VideoWriter.write

    def write(self, picture):
        frames.setdefault(self.path.name, []).append(picture.copy())
        whole(self, picture)

    monkeypatch.setattr(VideoWriter, "write", write)
    return frames


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("size", [(32, 48), (31, 47)])
def test_a_video_is_read_back_as_it_was_written(ending, size, tmp_path):
    frames = smooth_frames(2, size=size)
    path = write_video(tmp_path / f"clip.{ending}", frames)
    assert video_facts(path) == (size, 8, RATE)
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(levels(path), frames, strict=True)]
    assert max(errors) < 4  # grey levels; the wrong matrix or range costs five or more
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
def test_every_frame_is_fused_as_a_picture(pair, run, written, tmp_path):
    out, rd = tmp_path / "out.mp4", tmp_path / "rd"
    code, _, err = run("--ttd", *pair, "-o", out, "--rd-dir", rd)
    assert code == 0
    assert err.count("8/8") == 2  # the pictures, then the maps
    every = []
    for k, together in enumerate(zip(*map(read_frames, pair), strict=True)):
        for name, frame in zip(("vi", "ir"), together, strict=True):
            write_picture(tmp_path / name / "f.png", to_levels(frame))
        files = [tmp_path / name / "f.png" for name in ("vi", "ir")]
        maps = ("--rd-dir", tmp_path / "map")
        run("--overwrite", "--ttd", *files, "-o", tmp_path / "f.png", *maps)
        assert np.array_equal(written["out.mp4"][k], pixels(tmp_path / "f.png"))
        with np.load(tmp_path / "map" / "f.npz") as arrays:
            every.append(torch.from_numpy(arrays["rd"]))
    scale = RDScale.of(2, every)  # one for the whole video
    for k, maps in enumerate(every):
        for name, own in zip(("vi", "ir"), maps, strict=True):
            assert np.array_equal(written[f"out-{name}.mp4"][k], scale.colours(own))
    assert sorted(p.name for p in rd.iterdir()) == ["out-ir.mp4", "out-legend.png", "out-vi.mp4"]
    for path in (out, rd / "out-vi.mp4", rd / "out-ir.mp4"):
        assert video_facts(path) == ((32, 48), 8, RATE)
    pairs = zip(levels(out), written["out.mp4"], strict=True)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in pairs) < 4


def test_frames_are_had_in_any_order(pair):
    dataset = VideoDataset(dict(zip(("vi", "ir"), pair, strict=True)), "vif")
    in_order = [dataset[k]["sources"] for k in range(8)]
    for k in (3, 0, 1, 7, 2):
        assert torch.equal(dataset[k]["sources"], in_order[k])
    assert not torch.equal(in_order[0], in_order[1])


def test_chroma_is_that_of_the_coloured_source(pair, run, written, tmp_path):
    assert run(*pair, "-o", tmp_path / "out.mkv")[0] == 0
    fused, vi = written["out.mkv"][3].astype(float), levels(pair[0])[3].astype(float)
    inside = ((fused > 0) & (fused < 255)).all(-1)  # elsewhere a channel was clamped
    assert inside.mean() > 0.5
    for one, other in ((0, 1), (2, 1)):  # equal luma offsets leave differences of channels alone
        difference = (fused[..., one] - fused[..., other]) - (vi[..., one] - vi[..., other])
        assert np.abs(difference[inside]).max() <= 1.01  # both rounded


@pytest.mark.parametrize(("stored", "top"), [("gray", 255), ("gray16le", 65535)])
def test_grey_videos_keep_their_values_in_one_channel(stored, top, tmp_path):
    kind = np.uint8 if top == 255 else np.uint16
    frame = (np.arange(12 * 16).reshape(12, 16) * 331 % (top + 1)).astype(kind)
    (image,) = read_frames(write_raw(tmp_path / "ir.mkv", [frame], stored))
    assert torch.equal(image, torch.from_numpy(frame.astype(np.float32) / top)[None])


def test_a_turned_video_stands_upright(tmp_path):
    frame = smooth_frames(0, 1, (12, 16))[0]
    path = write_video_turned(tmp_path / "phone.mov", frame, 90)
    assert video_facts(path).size == (16, 12)
    upright = np.abs(levels(path)[0].astype(int) - np.rot90(frame)).mean()
    downward = np.abs(levels(path)[0].astype(int) - np.rot90(frame, 3)).mean()
    assert upright < 4 < downward


def write_video_turned(path, frame, degrees):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = "yuv444p"
        if not hasattr(type(stream), "set_display_rotation"):
            pytest.skip("this PyAV reads how a video is turned but cannot write it")
        stream.set_display_rotation(degrees)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_what_was_fused_before_a_fault_is_kept(pair, run, monkeypatch, tmp_path):
    def broken(path):
        for k, frame in enumerate(read_frames(path)):
            if k == 5 and path.stem == "ir":
                raise InputError(f"{path} cannot be read as a video")
            yield frame

    monkeypatch.setattr(fusionlab.fuse.video, "read_frames", broken)
    out = tmp_path / "out.mp4"
    code, _, err = run(*pair, "-o", out)
    assert code == 1
    assert f"{pair[1]} cannot be read as a video; {out} holds the 5 frames before" in err
    assert len(levels(out)) == 5


def test_an_interruption_keeps_the_frames_before(pair, run, monkeypatch, tmp_path):
    def interrupted(path):
        yield from list(read_frames(path))[:4]
        raise KeyboardInterrupt

    monkeypatch.setattr(fusionlab.fuse.video, "read_frames", interrupted)
    code, _, err = run(*pair, "-o", tmp_path / "out.mp4")
    assert code == 130
    assert err.endswith("fusionlab fuse: interrupted\n")
    assert len(levels(tmp_path / "out.mp4")) == 4


def test_a_video_that_ends_early_is_named(pair, run, monkeypatch, tmp_path):
    def short(path):
        yield from list(read_frames(path))[: 3 if path.stem == "ir" else None]

    monkeypatch.setattr(fusionlab.fuse.video, "read_frames", short)
    code, _, err = run(*pair, "-o", tmp_path / "out.mp4")
    assert code == 1
    assert f"{pair[1]} ends after 3 frames" in err
    assert len(levels(tmp_path / "out.mp4")) == 3


def test_rates_that_differ_are_told(pair, run, tmp_path):
    ir = write_video(tmp_path / "slow" / "ir.mp4", smooth_frames(1), Fraction(25))
    code, _, err = run(pair[0], ir, "-o", tmp_path / "out.mp4")
    assert code == 0
    assert f"{ir} has 25 frames per second, the fused video 29.97" in err
    assert video_facts(tmp_path / "out.mp4").rate == RATE


def test_an_odd_size_is_kept_and_told(run, tmp_path):
    names = ("vi", "ir")
    pair = [write_video(tmp_path / f"{n}.mp4", smooth_frames(0, 2, (31, 48))) for n in names]
    code, _, err = run(*pair, "-o", tmp_path / "out.mp4")
    assert code == 0
    assert "48x31 is odd" in err
    assert video_facts(tmp_path / "out.mp4").size == (31, 48)


def test_videos_that_do_not_fit_are_refused(pair, refused, tmp_path):
    short = write_video(tmp_path / "short.mp4", smooth_frames(0, 6))
    small = write_video(tmp_path / "small.mp4", smooth_frames(0, size=(30, 48)))
    (tmp_path / "text.mp4").write_text("no video")
    argv = ("--task", "vif", "-o", tmp_path / "out.mp4")
    line = refused(pair[0], short, *argv)
    assert f"{short} has 6 frames but {pair[0]} has 8" in line
    line = refused(pair[0], small, *argv)
    assert f"{small} is 48x30 but {pair[0]} is 48x32" in line
    line = refused(pair[0], tmp_path / "text.mp4", *argv)
    assert f"{tmp_path / 'text.mp4'} cannot be read as a video" in line


def test_an_unreadable_result_keeps_no_file(pair, run, broken_weights, tmp_path):
    out = tmp_path / "out.mp4"
    code, _, err = run(*pair, "--network.checkpoint", broken_weights, "-o", out)
    assert code == 2
    assert "vi, frame 1, fused statically to NaN" in err
    assert not out.exists()


def test_without_pyav_the_remedy_is_named(pair, refused, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    line = refused(*pair, "-o", tmp_path / "out.mp4")
    assert 'pip install "fusionlab[video]"' in line
