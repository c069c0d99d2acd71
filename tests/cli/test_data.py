"""The command ``fusionlab data``."""

import pytest

from fusionlab.cli.data import main
from fusionlab.data.manifest_files import list_manifests, load_manifest
from tests.data.trees import TREES, plant


@pytest.fixture
def root(tmp_path):
    return plant(tmp_path / "data", TREES["lytro"])


@pytest.fixture
def made(tmp_path, root, capsys):
    path = tmp_path / "mine.yaml"
    options = ["--task", "mff", "--sources", "near=A", "far=B", "--origin", "my camera"]
    main(["make-manifest", str(root), "-o", str(path), *options])
    assert capsys.readouterr().out == f"{path}: 2 samples, 4 files, {load_manifest(path).sha256}\n"
    return path


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def failed(*argv):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in argv])
    return end.value.code


@pytest.mark.parametrize("argv", [[], ["list"]])
def test_the_list_has_every_data_set_with_its_origin(capsys, argv):
    main(argv)
    said = "\n".join(lines(capsys))
    for name in list_manifests():
        manifest = load_manifest(name)
        assert f"{name}: {manifest.title} ({manifest.task}, {manifest.count} samples, " in said
        assert f"    {manifest.origin}; licence: {manifest.licence}" in said


def test_a_made_manifest_is_verified(made, root, capsys):
    manifest = load_manifest(made)
    assert (manifest.name, manifest.origin) == ("mine", "my camera")
    assert manifest.sources == {"near": "A", "far": "B"}
    main(["verify", str(made), str(root)])
    assert lines(capsys) == [
        f"mine: 2 samples of data, manifest {manifest.sha256}",
        "present: 4 of 4 files, 4 hashes compared",
    ]
    main(["verify", "--no-hashes", str(made), str(root)])
    assert lines(capsys)[1] == "present: 4 of 4 files, 0 hashes compared"


def test_surplus_is_told_but_no_fault(made, root, capsys):
    plant(root, ["lytro-03-A.jpg", "notes.txt"])
    main(["verify", str(made), str(root)])
    assert lines(capsys)[2:] == ["surplus: 2 (notes.txt, lytro-03-A.jpg)"]


def test_every_kind_of_fault_has_its_line(tmp_path, capsys):
    names = [f"{source}/{k}.png" for source in ("vi", "ir") for k in range(1, 7)]
    root, made = plant(tmp_path / "data", names), tmp_path / "m.yaml"
    main(["make-manifest", str(root), "-o", str(made)])
    capsys.readouterr()
    for k in (1, 2, 3, 4):
        (root / f"vi/{k}.png").unlink()
    (root / "vi/5.png").write_text("short")
    (root / "vi/6.png").write_text("xx/x.xxx")
    (root / "ir/1.png").write_text("ir/2.png")
    (root / "ir/2.png").write_text("ir/1.png")
    plant(root, ["ir/3.jpg", "ir/7.png"])
    assert failed("verify", made, root) == 2
    present, *faults = lines(capsys)[1:]
    assert present == "present: 7 of 12 files, 6 hashes compared"
    assert [fault.split(": ")[0] for fault in faults] == [
        "missing",
        "surplus",
        "same name twice",
        "swapped",
        "wrong size",
        "wrong hash",
    ]
    assert faults[0] == "missing: 4 (vi/1.png, vi/2.png, vi/3.png and 1 more)"
    assert faults[3] == "swapped: 2 (ir/1.png holds ir/2.png, ir/2.png holds ir/1.png)"
    assert faults[4] == "wrong size: 1 (vi/5.png: 5 bytes instead of 8)"


def test_a_data_set_without_ids_is_counted(root, capsys):
    assert failed("verify", "lytro", root) == 2
    captured = capsys.readouterr()
    assert "holds 2 samples, lytro has 20" in captured.err
    assert captured.err.startswith("fusionlab data verify: error: ")
    assert captured.err.count("\n") == 1


def test_a_counted_data_set_passes(tmp_path, capsys):
    names = [f"lytro-{k:02}-{name}.jpg" for k in range(1, 21) for name in "AB"]
    main(["verify", "lytro", str(plant(tmp_path, names))])
    assert lines(capsys)[1] == "present: 20 samples; the manifest knows no hashes"


@pytest.mark.parametrize(
    ("argv", "mistake"),
    [
        (["verify", "lytro", "gone"], "no folder gone"),
        (["verify", "litro", "."], "no data set named 'litro'"),
        (["verify"], "missing: name, root"),
        (["make-manifest", "gone", "-o", "m.yaml"], "no folder gone"),
        (["make-manifest", ".", "-o", "m.txt"], "must be a new file, in a folder that exists"),
        (["make-manifest", ".", "-o", "gone/m.yaml"], "must be a new file, in a folder that exi"),
        (["make-manifest", ".", "-o", "m.yaml", "--layout", "a"], "layout must be one of subfol"),
        (["make-manifest", ".", "-o", "m.yaml", "--task", "a"], "task must be one of vif, mif"),
        (["make-manifest", "."], "missing: output"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path, monkeypatch, refused, argv, mistake):
    monkeypatch.chdir(tmp_path)
    assert mistake in refused("data", *argv)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(made, root, capsys):
    before = made.read_bytes()
    assert failed("make-manifest", root, "-o", made, "--task", "mff") == 2
    assert made.read_bytes() == before
