"""Published pictures on tiny collections; the published values are numpy's, by hand."""

import csv
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from PIL import Image

from fusionlab.data.fused import split_name
from fusionlab.runs.run import PER_IMAGE
from replication import measuring
from replication.galleries import layouts, open_gallery
from replication.pictures import main, new_parser
from replication.sheets import read_texts

SCENES = ("carLight", "walking", "walking2")
METHODS = ("ADF", "HMSD_GF")
NAMES = ("DenseFuse", "RFN-Nest")


def pattern(k: int, channels: int, size=(34, 42)) -> np.ndarray:
    """A picture by formula, of levels from 3 to 243; channels differ."""
    row, column = np.mgrid[: size[0], : size[1]]
    waves = [
        np.sin(row / (2 + k) + c) + np.cos(column / (3 + k)) * np.sin(k + c + row * column / 97)
        for c in range(channels)
    ]
    return (123 + 60 * np.stack(waves, axis=-1)).astype(np.uint8).squeeze()


def save(path, pixels) -> np.ndarray:
    """Write a picture; returns what its file holds, which JPEG changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)
    return np.asarray(Image.open(path)).astype(float)


def entropy(levels, base=2) -> float:
    shares = np.unique(levels.round().astype(int), return_counts=True)[1] / levels.size
    return -(shares * np.log(shares)).sum() / np.log(base)


def stretched(levels) -> np.ndarray:
    low, high = levels.min(), levels.max()
    return np.floor((levels - low) / (high - low) * 255 + 0.5)


def information(source, fused, base) -> float:
    joint = 1000 * source.round() + fused.round()
    return entropy(source, base) + entropy(fused, base) - entropy(joint, base)


def vifb_values(vi, ir, fused) -> dict[str, float]:
    """Entropy, deviation, information and spatial frequency as VIFB's programs have them."""
    bands = fused[..., None] if fused.ndim == 2 else fused
    visible = vi if vi.ndim == 3 else vi[..., None]
    wide = np.concatenate([bands[..., c] for c in range(bands.shape[-1])], axis=1)
    mi = [
        sum(
            information(stretched(source), stretched(bands[..., c]), np.e)
            for source in (visible[..., c], ir)
        )
        for c in range(bands.shape[-1])
    ]
    energy = (np.diff(wide, axis=0) ** 2).sum() + (np.diff(wide, axis=1) ** 2).sum()
    return {
        "Entropy": np.mean([entropy(bands[..., c]) for c in range(bands.shape[-1])]),
        "Variance": np.mean([bands[..., c].std() for c in range(bands.shape[-1])]),
        "Mutinf": np.mean(mi),
        "Spatial_frequency": np.sqrt(energy / wide.size),
    }


@pytest.fixture(scope="module")
def vifb(tmp_path_factory):
    """VIFB with three scenes, of which one is grey, and two methods, as its repository has it."""
    root = tmp_path_factory.mktemp("published") / "VIFB"
    texts = root / "output" / "evaluation_metrics_single"
    texts.mkdir(parents=True)
    for k, scene in enumerate(SCENES):
        channels = 1 if scene == "walking" else 3
        vi = save(root / "input" / "VI" / f"{scene}.jpg", pattern(k, channels))
        # case differs there too: peopleshadow, peopleShadow
        ir = save(root / "input" / "IR" / f"{scene.replace('L', 'l')}.jpg", pattern(k + 5, 1))
        for m, method in enumerate(METHODS):
            pixels = pattern(k + m + 7, channels)
            fused = save(root / "output" / "fused_images" / f"{scene}_{method}.jpg", pixels)
            for metric, value in vifb_values(vi, ir, fused).items():
                (texts / f"{scene}_{method}_{metric}.txt").write_text(f"{value:.5g}\n")
        (texts / f"{scene}_MST_SR_Entropy.txt").write_text("6.5\n")  # without pictures, as there
    return root


@pytest.fixture(scope="module")
def scored(vifb):
    score(vifb)
    return vifb.parent


def score(vifb, *more: str) -> str:
    values, page = vifb.parent / "values", vifb.parent / "page.md"
    main(["--vifb", str(vifb), "--values", str(values), "-o", str(page), *more])
    return page.read_text("utf-8")


def lines_of(root, name: str) -> list[dict[str, str]]:
    with (root / "page" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_numpy_published_is_found_to_its_last_digit(scored):
    page = (scored / "page.md").read_text("utf-8")
    assert (
        "6 pictures, 2 methods on 3 pairs. Scored: vifb convention, mean over R, G and B." in page
    )
    for metric, form in {
        "Entropy": "EN:vifb",
        "Variance": "SD:vifb",
        "Mutinf": "MI:vifb",
        "Spatial_frequency": "SF:vifb",
    }.items():
        assert f"| {metric} | {form} | 6 of 6 | 6 to 5 digits |" in page, metric
    assert "- Not compared: 3 values of MST_SR, which has no pictures." in page
    assert "--vifb VIFB" in page
    assert str(scored) not in page
    lines = lines_of(scored, "VIFB")
    assert len(lines) == 4 * 6
    for line in lines:
        half_a_digit = 0.5 * 10 ** (np.floor(np.log10(float(line["published"]))) - 4)
        assert float(line["difference"]) <= 1.001 * half_a_digit, line


def test_a_deviation_is_told_with_its_picture(scored, vifb, capsys):
    path = vifb / "output" / "evaluation_metrics_single" / "walking2_HMSD_GF_Entropy.txt"
    before = path.read_text()
    path.write_text(f"{float(before) + 0.25:.5g}\n")
    rows = scored / "values" / "VIFB" / PER_IMAGE
    measured = rows.stat().st_mtime_ns
    page = score(vifb)
    path.write_text(before)
    (line,) = [one for one in page.splitlines() if one.startswith("| Entropy |")]
    assert "| 6 of 6 | 5 to 5 digits | 0.25 (" in line
    assert "| HMSD_GF, walking2 |" in line
    assert line in capsys.readouterr().out
    assert rows.stat().st_mtime_ns == measured, "nothing is measured again"


@pytest.mark.slow
def test_an_interrupted_run_goes_on(vifb, scored, tmp_path, monkeypatch):
    whole = (scored / "values" / "VIFB" / PER_IMAGE).read_text()
    measure = measuring.measure

    def interrupted(*given):
        yield next(measure(*given))
        raise KeyboardInterrupt

    arguments = ["--vifb", str(vifb), "--values", str(tmp_path), "-o", str(tmp_path / "page.md")]
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "measure", interrupted)
        with pytest.raises(SystemExit) as stop:
            main(arguments)
    assert stop.value.code == 130
    part = (tmp_path / "VIFB" / PER_IMAGE).read_text()
    assert 1 < len(part.splitlines()) < len(whole.splitlines())
    main(arguments)
    assert (tmp_path / "VIFB" / PER_IMAGE).read_text().startswith(part)
    assert sorted((tmp_path / "VIFB" / PER_IMAGE).read_text().splitlines()) == sorted(
        whole.splitlines()
    )


def test_the_command_of_the_documentation_is_understood():
    page = (Path(__file__).parents[2] / "docs" / "published.md").read_text("utf-8")
    (command,) = re.findall(r"^```\npython -m replication\.pictures (.*?)\n```$", page, re.M | re.S)
    options = new_parser().parse_args(shlex.split(command.replace("\\\n", " ")))
    assert (options.vifb, options.mfifb, options.output) == ("VIFB", "MFIFB", "pictures.md")
    for layout in layouts().values():
        for place in (layout.pictures, layout.published or ""):
            assert place in page, "the layouts are on the page"


def refused(capsys, *arguments: object) -> str:
    """The one line of a mistake."""
    with pytest.raises(SystemExit) as stop:
        main([str(one) for one in arguments])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_missing_picture_is_named_and_left_out_if_asked_to(vifb, capsys, tmp_path):
    path = vifb / "output" / "fused_images" / "walking_HMSD_GF.jpg"
    kept = path.read_bytes()
    path.unlink()
    try:
        line = refused(capsys, "--vifb", vifb)
        assert "fused_images, HMSD_GF: no fused image for walking;" in line
        gallery = open_gallery("VIFB", vifb, limit=None, allow_unmatched=True, workers=0)
    finally:
        path.write_bytes(kept)
    assert {one.name: one.missing for one in gallery.bench.folders} == {
        "ADF": [],
        "HMSD_GF": ["walking"],
    }


@pytest.mark.slow
def test_what_is_left_out_is_counted(vifb, tmp_path, capsys):
    root = tmp_path / "VIFB"
    shutil.copytree(vifb, root)
    (root / "output" / "fused_images" / "walking_HMSD_GF.jpg").unlink()
    (root / "output" / "evaluation_metrics_single" / "walking_ADF_Entropy.txt").unlink()
    page = score(root, "--allow-unmatched")
    assert "HMSD_GF: not scored, no fused image: walking" in capsys.readouterr().err
    assert "5 pictures, 2 methods on 3 pairs." in page
    assert "Means are over the 2 pairs of which every method has a picture." in page
    assert "| Entropy | EN:vifb | 4 of 5 | 4 to 5 digits |" in page
    assert "| Variance | SD:vifb | 5 of 5 | 5 to 5 digits |" in page
    assert "- Not compared: 4 values of pictures that were not scored." in page


def test_the_longest_sample_of_a_name_is_meant():
    ids = ["man", "man_2", "Walking"]
    assert split_name("man_2_HMSD_GF", ids) == ("man_2", "HMSD_GF")
    assert split_name("man_HMSD_GF", ids) == ("man", "HMSD_GF")
    assert split_name("walking_ADF", ids) == ("Walking", "ADF")
    assert [split_name(name, ids) for name in ("manCall_ADF", "man_", "man")] == [None] * 3


def test_a_stray_picture_is_named(vifb, capsys):
    path = vifb / "output" / "fused_images" / "carlight.jpg"
    path.write_bytes((vifb / "input" / "VI" / "carLight.jpg").read_bytes())
    line = refused(capsys, "--vifb", vifb)
    path.unlink()
    assert "no sample for carlight.jpg" in line


def test_mistakes_are_one_line(vifb, capsys, tmp_path):
    assert "give one or more of --vifb, --mfifb, --tang" in refused(capsys)
    assert "--limit must be at least 1, got 0" in refused(capsys, "--vifb", vifb, "--limit", 0)
    line = refused(capsys, "--vifb", tmp_path)
    assert f"no folder {tmp_path / 'input'}; VIFB must be the folder of VIFB, https://" in line
    path = vifb / "output" / "evaluation_metrics_single" / "carLight_ADF_Qcv.txt"
    path.write_text("8 99.75\n")
    line = refused(capsys, "--vifb", vifb)
    path.unlink()
    assert "carLight_ADF_Qcv.txt must hold one number, got '8 99.75'" in line


def test_texts_of_unknown_names_are_counted(tmp_path):
    for name in ("carLight_ADF_Qcv", "carLight_ADF_Magic", "bus_ADF_Qcv"):
        (tmp_path / f"{name}.txt").write_text("NaN\n")
    found = read_texts(tmp_path, ["carLight"], ["ADF"], ["Qcv"])
    assert [*found.values["Qcv"]] == [("ADF", "carLight")]
    assert found.notes == [
        "2 files without a known sample and metric in their name, first bus_ADF_Qcv.txt"
    ]


@pytest.fixture(scope="module")
def tang(tmp_path_factory):
    """Tang's folder with two pairs and two methods; its sheet as MATLAB writes it."""
    root = tmp_path_factory.mktemp("tang")
    sheets: dict[str, dict[str, list[float]]] = {}
    for m, method in enumerate(NAMES):
        for k, name in enumerate(("01", "02")):
            place = root / "Image" / "Source-Image" / "TNO"
            ir = save(place / "ir" / f"{name}.png", pattern(k, 1, (44, 47)))
            vi = save(place / "vi" / f"{name}.png", pattern(k + 5, 1, (44, 47)))
            pixels = pattern(k + m + 7, 1, (44, 47))
            three = np.stack([pixels] * 3, axis=-1)  # as there
            fused = save(root / "Image" / "Algorithm" / f"{method}_TNO" / f"{name}.png", three)
            for metric, value in tang_values(ir, vi, fused[..., 0]).items():
                sheets.setdefault(metric, {}).setdefault(method, []).append(value)
    book = openpyxl.Workbook()
    for metric, columns in sheets.items():
        sheet = book.create_sheet(metric)
        for column, (method, values) in enumerate(columns.items(), 1):
            for line, cell in enumerate(["method_name", method, *values], 1):
                sheet.cell(line, column, cell)
    (root / "Metric").mkdir()
    book.save(root / "Metric" / "Metric_TNO.xlsx")
    return root


def tang_values(ir, vi, fused) -> dict[str, float]:
    """As his programs have them: SD of saturated 8 bits, SF and MSE in [0, 1], MI in bits."""
    steps = np.clip(np.floor(fused - fused.mean() + 0.5), 0, None)
    rows, columns = (np.diff(fused, axis=axis) / 255 for axis in (0, 1))
    return {
        "EN": entropy(fused),
        "SD": np.sqrt(np.minimum(steps**2, 255).mean()),
        "SF": np.sqrt((rows**2).mean() + (columns**2).mean()),
        "MSE": np.mean([((fused - source) ** 2).mean() / 255**2 for source in (ir, vi)]),
        "MI": sum(information(source, fused, 2) for source in (ir, vi)),
    }


def test_a_sheet_tells_which_form_was_computed(tang, tmp_path):
    page = tmp_path / "page.md"
    main(["--tang", str(tang), "--values", str(tmp_path / "values"), "-o", str(page)])
    text = page.read_text("utf-8")
    for metric, form, count in (
        ("EN", "EN:linfeng", 4),
        ("MSE", "MSE:linfeng", 4),
        ("MI", "MI:linfeng", 4),
        ("SF", "SF:linfeng", 0),
        ("SF", "SF:linfeng_unit_range", 4),
        ("SD", "SD:linfeng", 0),
        ("SD", "SD:linfeng_uint8", 4),
    ):
        assert f"| {metric} | {form} | 4 of 4 | {count} to 10 digits |" in text, form
    assert "- Not compared: no sheet PSNR, VIF, AG, CC, SCD, Qabf." in text
    lines = lines_of(tmp_path, "Tang")
    exact = [one for one in lines if one["form"] in ("EN:linfeng", "SD:linfeng_uint8")]
    assert max(float(one["difference"]) for one in exact) < 1e-12


def test_a_sheet_with_a_number_too_few_or_too_many_is_refused(tang, capsys):
    path = tang / "Metric" / "Metric_TNO.xlsx"
    kept = path.read_bytes()
    try:
        for cell, value, got in (("B4", "lost", 1), ("B5", 3.0, 3)):
            book = openpyxl.load_workbook(path)
            book["EN"][cell] = value
            book.save(path)
            line = refused(capsys, "--tang", tang)
            expected = f"sheet EN, RFN-Nest must hold 2 numbers, one for each sample, got {got}"
            assert expected in line
            path.write_bytes(kept)
        path.write_text("no sheet")
        assert "Metric_TNO.xlsx is no Excel file that can be read" in refused(
            capsys, "--tang", tang
        )
    finally:
        path.write_bytes(kept)


@pytest.fixture
def mfifb(tmp_path):
    """MFIFB with two pairs of two formats, whose pictures have the format of their pair."""
    root = tmp_path / "MFIFB"
    for k, (scene, ending) in enumerate((("aymaz_01", "bmp"), ("lytro_02", "png"))):
        for letter in "AB":
            place = root / "input" / scene / f"{scene}_{letter}.{ending}"
            save(place, pattern(k + ord(letter) % 3, 3, (48, 50)))
        for method in ("DCT_EOL", "GFF"):
            path = root / "fused_images" / f"{scene}_{method}.{ending}"
            save(path, pattern(k + 4, 3, (48, 50)))
    return root


def test_mfifb_is_opened_as_it_is_downloaded(mfifb):
    gallery = open_gallery("MFIFB", mfifb, limit=1, allow_unmatched=False, workers=0)
    assert gallery.dataset.ids == ["aymaz_01"]
    assert [one.name for one in gallery.bench.folders] == ["DCT_EOL", "GFF"]
    assert [one.ids for one in gallery.bench.folders] == [["aymaz_01", "lytro_02"]] * 2
    assert gallery.bench.scorer.by_channel
    assert gallery.published.values == {}


@pytest.mark.slow
def test_mfifb_is_scored(mfifb, tmp_path):
    page = tmp_path / "page.md"
    main(["--mfifb", str(mfifb), "--values", str(tmp_path / "v"), "--limit", "1", "-o", str(page)])
    text = page.read_text("utf-8")
    assert "2 pictures, 2 methods on 1 pairs" in text
    assert "- Not compared: no values are published with these pictures." in text
    (row,) = [one for one in text.splitlines() if one.startswith("| GFF |")]
    fused = np.asarray(Image.open(mfifb / "fused_images" / "aymaz_01_GFF.bmp")).astype(float)
    expected = np.mean([entropy(fused[..., c]) for c in range(3)])
    assert row.split(" | ")[2] == f"{expected:.5g}"  # CE, EN, FMI …
