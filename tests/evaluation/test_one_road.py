"""One sample gives one picture, bit for bit, whoever fuses it (DESIGN 2)."""

from dataclasses import dataclass, field
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch.utils.data import DataLoader

import fusionlab.figures.program as figures
import fusionlab.training.samples as samples
from fusionlab.cli import main
from fusionlab.data.batches import collate
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.fuse.encoding import VideoWriter
from fusionlab.fusing import Fuser
from fusionlab.networks import NETWORKS, FusionNetwork, create_network, save_checkpoint
from fusionlab.runs.run import Run
from fusionlab.settings import TTD, TTD_PRESETS, Data
from fusionlab.training.module import FusionModule

SETTINGS = {
    "static": None,
    **{name: {"preset": name} for name in TTD_PRESETS},
    "gradient": {"preset": "structure", "basis": "gradient", "channel": "auto"},
}
SOURCES = {  # what the files of each source hold
    "vif": {"vi": "RGB", "ir": "L"},
    "mif": {"mri": "I;16", "pet": "RGB"},
    "mff": {"near": "RGB", "middle": "RGB", "far": "RGB"},
}
NETWORKS_ON_TASKS = [*((name, "vif") for name in NETWORKS), ("ifcnn", "mif"), ("ifcnn", "mff")]
EVERY_SETTING = ("cddfuse", "defusion", "ifcnn", "laplacian")
QUICK = {("ifcnn", "vif")}
IDS = ("1", "2", "3", "4", "5")  # one more than TTD is calibrated on


def settings_of(network: FusionNetwork | type[FusionNetwork]) -> list[str]:
    """The static network alone, where TTD can do nothing."""
    return ["static"] if network.no_ttd else list(SETTINGS)


def tried(name: str) -> list[str]:
    """Every setting for a few networks; for the others static, Eq. 6, and all that is automatic."""
    possible = settings_of(NETWORKS[name])
    few = ("static", "paper", "gradient")
    return possible if name in EVERY_SETTING else [one for one in possible if one in few]


def every_network_and_setting() -> pytest.MarkDecorator:
    """All are slow but those of IFCNN."""
    cases = []
    for case in NETWORKS_ON_TASKS:
        for setting in tried(case[0]):
            marks = [] if case in QUICK else [pytest.mark.slow]
            cases.append(pytest.param(case, setting, marks=marks, id="-".join([*case, setting])))
    return pytest.mark.parametrize(("case", "setting"), cases, indirect=["case"])


crossed = every_network_and_setting()


@dataclass(frozen=True)
class Case:
    """A network on a data set, and what an evaluation makes of it.

    Args:
        network: In evaluation mode.
        checkpoint: Its file.
        task: The task.
        root: The data set.
        runs: The evaluations so far, by the number of samples.
    """

    network: FusionNetwork
    checkpoint: str
    task: str
    root: Path
    runs: dict[int, Run] = field(default_factory=dict)

    @property
    def dataset(self) -> FusionDataset:
        return open_data(Data(root=str(self.root)))[0]

    @property
    def options(self) -> list[str]:
        own = [] if self.checkpoint == "bundled" else ["--network.checkpoint", self.checkpoint]
        return ["--network.name", self.network.name, *own]

    def files(self, id_: str = IDS[0]) -> list[str]:
        return [str(self.root / source / f"{id_}.png") for source in SOURCES[self.task]]

    def run(self, limit: int = len(IDS)) -> Run:
        """An evaluation of so many samples with every setting."""
        if limit not in self.runs:
            output = self.root.parent / f"runs-{limit}"
            settings = str([one for one in SETTINGS.values() if one])
            argv = ["--data.root", str(self.root), "--output", str(output), "--quiet"]
            argv += ["--ttd_settings", settings, "--conditions.limit", str(limit)]
            argv += ["--metrics.names", "[EN]", "--report", "false", "--trainer.devices", "1"]
            main(["evaluate", *self.options, *argv])
            (folder,) = output.iterdir()
            self.runs[limit] = Run.open(folder)
        return self.runs[limit]

    def evaluated(self, setting: str, limit: int = len(IDS)) -> list[np.ndarray]:
        """The pictures that an evaluation wrote, (H, W, 3) each."""
        run, method = self.run(limit), self.method(setting)
        return [levels(run.folder / sample.picture(method)) for sample in run.samples]

    def rd(self, setting: str, index: int) -> dict[str, np.ndarray]:
        """What the evaluation wrote of RD."""
        run = self.run()
        return dict(np.load(run.folder / run.samples[index].rd_arrays(self.method(setting))))

    def method(self, setting: str) -> str:
        names = [one.name for one in self.run().methods if one.is_fused]
        return dict(zip(settings_of(self.network), names, strict=True))[setting]


def levels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def shown(picture) -> np.ndarray:
    return picture.fused.cpu().permute(1, 2, 0).numpy()


def options_of(setting: str) -> list[str]:
    given = SETTINGS[setting] or {}
    return [word for key, value in given.items() for word in (f"--ttd.{key}", value)]


def ttd_of(setting: str) -> TTD | None:
    return None if SETTINGS[setting] is None else TTD(**SETTINGS[setting])


def write_sources(root: Path, task: str) -> None:
    """Smooth images with some noise: on noise alone all channels of a gradient are alike."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:32, :40] / 7
    for m, (source, mode) in enumerate(SOURCES[task].items()):
        (root / source).mkdir(parents=True)
        for k, id_ in enumerate(IDS):
            shape = (32, 40, 3) if mode == "RGB" else (32, 40)
            wave = np.sin(rows * (m + 1) + k) + np.cos(columns - m * k)
            image = 0.5 + 0.15 * (wave[..., None] if mode == "RGB" else wave)
            image = np.clip(image + rng.normal(0, 0.1, shape), 0, 1)
            top, kind = (65535, np.uint16) if mode == "I;16" else (255, np.uint8)
            Image.fromarray((top * image).round().astype(kind)).save(root / source / f"{id_}.png")


@pytest.fixture(scope="module")
def cases() -> dict[tuple[str, str], Case]:
    """Those that were made so far, with their evaluations."""
    return {}


@pytest.fixture
def case(request, cases, tmp_path_factory) -> Case:
    if request.param not in cases:
        cases[request.param] = make_case(*request.param, tmp_path_factory.mktemp("case"))
    return cases[request.param]


def make_case(name: str, task: str, place: Path) -> Case:
    try:
        torch.manual_seed(0)
        network = create_network(name, **NETWORKS[name].small)
    except InputError as fault:
        pytest.skip(str(fault))  # it needs an optional package
    checkpoint = "bundled"
    if network.trainable and name != "ifcnn":
        checkpoint = str(place / "weights.safetensors")
        save_checkpoint(network, checkpoint)
    write_sources(place / "data", task)
    return Case(create_network(name, checkpoint), checkpoint, task, place / "data")


@pytest.mark.parametrize("case", [("ifcnn", "vif")], indirect=True)
def test_the_pictures_differ(case):
    """Else what follows would prove little."""
    static, *dynamic = (np.stack(case.evaluated(setting)) for setting in SETTINGS)
    assert any((one != static).any() for one in dynamic)
    assert all(np.ptp(one) > 0 for one in (static, *dynamic))


@crossed
def test_fuse_of_files(case, setting, tmp_path):
    out = tmp_path / "out.png"
    main(["fuse", *case.files(), "-o", str(out), *case.options, *options_of(setting)])
    (expected,) = case.evaluated(setting, limit=1)
    assert np.array_equal(levels(out), expected)


@crossed
def test_fuse_of_folders(case, setting, tmp_path):
    folders = [str(case.root / source) for source in SOURCES[case.task]]
    maps = [] if setting == "static" else ["--rd-dir", str(tmp_path / "rd")]
    argv = [*folders, "-o", str(tmp_path / "out"), *case.options, *options_of(setting), *maps]
    main(["fuse", *argv, "--quiet"])
    for index, (id_, expected) in enumerate(zip(IDS, case.evaluated(setting), strict=True)):
        assert np.array_equal(levels(tmp_path / "out" / f"{id_}.png"), expected)
        if maps:
            arrays, wanted = np.load(tmp_path / "rd" / f"{id_}.npz"), case.rd(setting, index)
            assert sorted(arrays.files) == sorted(wanted)
            assert all(np.array_equal(arrays[key], wanted[key]) for key in wanted)


@crossed
def test_fuse_of_videos(case, setting, tmp_path, monkeypatch):
    pytest.importorskip("av", reason='no PyAV: pip install "fusionlab[video]"')
    frames: list[np.ndarray] = []
    monkeypatch.setattr(VideoWriter, "write", lambda _, frame: frames.append(frame.copy()))
    videos = [write_lossless(case, source, tmp_path) for source in SOURCES[case.task]]
    argv = [*videos, "-o", str(tmp_path / "out.mkv"), *case.options, *options_of(setting)]
    main(["fuse", *argv, "--quiet"])
    pairs = list(zip(frames, case.evaluated(setting), strict=True))
    assert all(np.array_equal(frame, expected) for frame, expected in pairs)


def write_lossless(case: Case, source: str, folder: Path) -> str:
    """The images of a source as a video that keeps every value."""
    import av

    path = folder / f"{source}.mkv"
    stored, given = {"RGB": ("bgr0", "rgb24"), "L": ("gray",) * 2, "I;16": ("gray16le",) * 2}[
        SOURCES[case.task][source]
    ]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 40, stored
        for id_ in IDS:
            with Image.open(case.root / source / f"{id_}.png") as image:
                frame = av.VideoFrame.from_ndarray(np.asarray(image), format=given)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


@crossed
def test_the_panel_of_figures(case, setting, tmp_path, monkeypatch):
    if case.network.no_ttd:
        pytest.skip("a panel shows TTD, which this network has none of")
    drawn = []
    monkeypatch.setattr(figures, "panel", lambda sample, *_: drawn.append(sample) or Figure())
    monkeypatch.setattr(figures, "save", lambda figure, stem: [])
    argv = ["--data.root", str(case.root), "--id", IDS[-1], "-o", str(tmp_path / "panel")]
    main(["figures", "panel", *argv, *case.options, *options_of(setting)])
    (sample,) = drawn
    picture = sample.static if setting == "static" else sample.ttd
    assert np.array_equal(shown(picture), case.evaluated(setting)[-1])


@crossed
def test_a_fuser_in_python(case, setting):
    fuser, dataset, ttd = Fuser(case.network, case.task), case.dataset, ttd_of(setting)
    (expected,) = case.evaluated(setting, limit=1)
    named = dict(zip(SOURCES[case.task], case.files(), strict=True))
    assert np.array_equal(shown(fuser(named, ttd)), expected)  # calibrates on this sample
    chosen = None if ttd is None else fuser.calibrate(dataset, ttd)
    for index, expected in enumerate(case.evaluated(setting)):
        assert np.array_equal(shown(fuser(dataset[index], chosen)), expected)


def trainer(folder: Path, *callbacks: L.Callback) -> L.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    place = {"default_root_dir": str(folder), "logger": False, "devices": 1}
    return L.Trainer(**place, **quiet, callbacks=list(callbacks))


@crossed
def test_predict_of_the_lightning_module(case, setting, tmp_path):
    module = FusionModule(case.network, ttd=ttd_of(setting) or ())
    loader = DataLoader(case.dataset, collate_fn=collate)
    batches = trainer(tmp_path).predict(module, loader)
    for (picture,), expected in zip(batches, case.evaluated(setting), strict=True):
        assert np.array_equal(shown(picture), expected)


@crossed
def test_the_samples_of_a_training(case, setting, tmp_path, monkeypatch):
    written = {}
    monkeypatch.setattr(
        samples, "write_panel", lambda path, tiles, _: written.update({path: tiles})
    )
    dataset, count = case.dataset, len(SOURCES[case.task])
    module = FusionModule(case.network, ttd=ttd_of(setting) or (), metrics=["EN"])
    loader = DataLoader(dataset, collate_fn=collate)
    trainer(tmp_path, samples.SampleWriter(dataset, 1)).validate(module, loader, verbose=False)
    assert [path.stem for path in written] == list(IDS[: samples.SAMPLES])
    for tiles, expected in zip(written.values(), case.evaluated(setting), strict=False):
        fused = tiles[count] if setting == "static" else tiles[count + 1]  # after the sources
        assert np.array_equal(np.asarray(fused[1].convert("RGB")), expected)
