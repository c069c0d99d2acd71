"""Folders compared with manifests that list their files."""

import hashlib
import re
from dataclasses import replace

import pytest

from fusionlab.data.manifest import File, Manifest
from fusionlab.data.manifest_check import check_files, hash_files
from fusionlab.data.manifest_files import list_manifests, load_manifest
from fusionlab.data.manifest_making import make_manifest
from fusionlab.data.manifest_open import open_manifest
from fusionlab.errors import InputError
from tests.data.trees import TREES, plant

FILES = [f"{folder}/{k}.png" for folder in ("Vis", "Ir") for k in (2, 10)]


@pytest.fixture
def root(tmp_path):
    return plant(tmp_path / "data", FILES)


@pytest.fixture
def manifest(root):
    made = make_manifest(root, "made", sources={"vi": "Vis", "ir": "Ir"})
    return replace(made, origin="https://example.org")


def refusal(manifest, root, **options):
    with pytest.raises(InputError) as error:
        open_manifest(manifest, root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_manifest_says_what_is_there(manifest):
    sizes = {"Vis": 9, "Ir": 8}

    def file(path):
        digest = hashlib.sha256(path.encode()).hexdigest()
        return File(path, len(path), digest)

    assert manifest == Manifest(
        name="made",
        title="2 samples of data",
        task="vif",
        layout="subfolders",
        origin="https://example.org",
        licence="not stated",
        sources={"vi": "Vis", "ir": "Ir"},
        count=2,
        samples={
            id: {"vi": file(f"Vis/{id}.png"), "ir": file(f"Ir/{id}.png")} for id in ("2", "10")
        },
    )
    assert manifest.samples["2"]["vi"].size == sizes["Vis"]


def test_what_the_manifest_was_made_of_passes_and_opens(manifest, root):
    check = check_files(manifest, root)
    assert check.passed
    assert check.hashes == len(check.found) == 4
    assert check.surplus == []
    listing = open_manifest(manifest, root)
    assert [sample.id for sample in listing.samples] == ["2", "10"]
    assert listing.samples[0].sources == {"vi": root / "Vis/2.png", "ir": root / "Ir/2.png"}
    assert listing.source_names == ("vi", "ir")
    assert listing.manifest == {"name": "made", "sha256": manifest.sha256, "hashes_checked": 4}


def test_the_order_of_the_sources_is_the_manifest_s(manifest, root):
    turned = replace(manifest, sources={"ir": "Ir", "vi": "Vis"})
    assert list(open_manifest(turned, root).samples[0].sources) == ["ir", "vi"]


def test_missing_files_are_counted_and_the_first_named(manifest, root):
    (root / "Vis/10.png").unlink()
    assert check_files(manifest, root).missing == ["Vis/10.png"]
    message = refusal(manifest, root)
    for part in (f"{root} lacks 1 of the 4 files of made: Vis/10.png;", "data.root", "example.org"):
        assert part in message
    for path in list(root.rglob("*.png")):
        path.unlink()
    assert "Vis/2.png, Ir/2.png, Vis/10.png and 1 more;" in refusal(manifest, root)


def test_what_is_besides_is_left_aside_and_listed(manifest, root):
    """A subset is opened in the folder of the whole."""
    plant(root, ["Vis/11.png", "Label/2.png", "notes.txt", ".hidden.png"])
    check = check_files(manifest, root)
    assert check.passed
    names = {"Vis/11.png", "Label/2.png", "notes.txt", ".hidden.png"}
    assert {path.relative_to(root).as_posix() for path in check.surplus} == names
    listing = open_manifest(manifest, root)
    assert len(listing.samples) == 2
    assert set(listing.ignored) == set(check.surplus)


@pytest.mark.parametrize("hashes", [True, False])
def test_a_cut_file_is_found_by_its_size(manifest, root, hashes):
    (root / "Ir/2.png").write_text("Ir/2.pn")
    check = check_files(manifest, root, hashes)
    assert check.wrong_size == {"Ir/2.png": "7 bytes instead of 8"}
    assert not check.wrong_hash
    message = refusal(manifest, root, hashes=hashes)
    assert f"{root / 'Ir/2.png'} is not the file of made (7 bytes instead of 8)" in message
    assert "get it again from https://example.org, or leave out data.name" in message


def test_another_file_of_the_same_size_is_found_by_its_hash(manifest, root):
    for name in ("Vis/2.png", "Ir/2.png"):
        (root / name).write_text("x" * len(name))
    check = check_files(manifest, root)
    assert set(check.wrong_hash) == {"Vis/2.png", "Ir/2.png"}
    ours = hashlib.sha256(b"x" * 9).hexdigest()[:8]
    theirs = manifest.samples["2"]["vi"].sha256[:8]
    message = refusal(manifest, root)
    assert (
        f"Vis/2.png is not the file of made (SHA-256 {ours}… instead of {theirs}…, 1 more"
        in message
    )
    assert "data.verify_hashes to false" in message
    listing = open_manifest(manifest, root, hashes=False)
    assert listing.manifest["hashes_checked"] == 0


def test_swapped_folders_are_called_that(manifest, root):
    (root / "Vis").rename(root / "x")
    (root / "Ir").rename(root / "Vis")
    (root / "x").rename(root / "Ir")
    check = check_files(manifest, root)
    assert check.swapped == {
        f"{one}/{k}.png": f"{other}/{k}.png"
        for one, other in (("Vis", "Ir"), ("Ir", "Vis"))
        for k in (2, 10)
    }
    assert not check.wrong_size
    message = refusal(manifest, root)
    assert "Vis/2.png holds what made calls Ir/2.png: files are swapped (4 in all)" in message
    assert "swapped" in refusal(manifest, root, hashes=False), "sizes differ, so they are looked at"


def test_two_files_of_one_name_are_refused(manifest, root):
    plant(root, ["Vis/2.JPG"])
    assert list(check_files(manifest, root).same_name) == ["Vis/2.png"]
    assert re.search(
        r"Vis/2\.JPG and .*Vis/2\.png have the same name; keep one", refusal(manifest, root)
    )


def test_names_are_matched_whatever_their_case_and_extension(manifest, root):
    (root / "Vis").rename(root / "VIS")
    (root / "Ir/10.png").rename(root / "Ir/10.PNG")
    (root / "Ir/2.png").rename(root / "Ir/2.jpeg")
    assert check_files(manifest, root).passed


def test_a_file_without_a_hash_is_only_looked_for(manifest, root):
    bare = {
        id: {name: File(file.path) for name, file in sample.items()}
        for id, sample in manifest.samples.items()
    }
    (root / "Vis/2.png").write_text("anything")
    check = check_files(replace(manifest, samples=bare), root)
    assert check.passed
    assert check.hashes == 0


def test_the_split_is_entered_from_above(manifest, tmp_path):
    plant(tmp_path / "whole/test", FILES)
    plant(tmp_path / "whole/train", FILES)
    listing = open_manifest(replace(manifest, split="test"), tmp_path / "whole")
    assert listing.samples[0].sources["vi"] == tmp_path / "whole/test/Vis/2.png"
    assert listing.ignored == []


def test_no_folder_is_refused(manifest, tmp_path):
    assert "no folder" in refusal(manifest, tmp_path / "gone")
    assert "no folder" in refusal(load_manifest("mefb"), tmp_path / "gone")


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png cannot be read \(No such file"):
        hash_files([tmp_path / "gone.png"])


def test_many_files_are_hashed_under_a_progress_bar(root, monkeypatch, capsys):
    paths = [root / name for name in FILES]
    quiet = hash_files(paths)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("fusionlab.data.manifest_check.MANY", 1)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert hash_files(paths) == quiet
    said = capsys.readouterr()
    assert said.out == ""
    assert "Hashing files" in said.err


@pytest.mark.parametrize("name", TREES)
def test_a_manifest_made_of_a_download_opens_it(tmp_path, name):
    """With the samples and ground truths that the layout alone finds."""
    root, known = plant(tmp_path, TREES[name]), load_manifest(name)
    sources = known.sources or None
    made = make_manifest(root, "m", known.task, "auto", sources, known.reference, known.split)
    listing = open_manifest(made, root)
    expected = open_manifest(replace(known, count=2), root)
    assert listing.samples == expected.samples
    assert listing.source_names == expected.source_names
    assert listing.manifest["hashes_checked"] == len(made.files) > 3
    for file in made.files:
        assert file.size == (check_files(made, root).found[file.path]).stat().st_size


def test_a_manifest_finds_the_names_of_the_sources_itself(tmp_path):
    pairs = make_manifest(plant(tmp_path / "a", FILES), "m")
    assert (pairs.task, pairs.sources) == ("vif", {"Vis": "Vis", "Ir": "Ir"})
    exposures = make_manifest(plant(tmp_path / "b", TREES["sice-part1"]), "m", "mef")
    assert exposures.sources == {}
    assert list(exposures.samples["1"]) == ["1", "2", "3", "reference"]
    numbered = make_manifest(
        plant(tmp_path / "c", ["1/a.png", "2/a.png"]), "m", "mif", "subfolders"
    )
    assert numbered.sources == {"1": "1", "2": "2"}


def test_a_task_that_names_do_not_tell_must_be_said(tmp_path):
    with pytest.raises(InputError, match="called A, B, which does not tell the task"):
        make_manifest(plant(tmp_path, TREES["lytro"]), "m")


REAL = {
    "tno25-10": "vif/TNO",
    "tno14-5": "vif/IFCNN_IV",
    "roadscene50-10": "vif/RoadScene",
    "msrs-3": "vif/MSRS",
    "harvard-mri-ct-11": "mif/MRI_CT",
    "harvard-mri-pet-5": "mif/MRI_PET",
    "harvard-mri-spect-5": "mif/MRI_SPECT",
    "ifcnn-md-3": "mif/IFCNN_MD",
    "mefb-15": "mef/MEFB",
    "ifcnn-me-3": "mef/Sequences",
    "lytro-10": "mff/Lytro",
    "lytro-triples-2": "mff/LytroTriple",
}


def test_every_manifest_with_all_hashes_has_its_files_here():
    whole = [load_manifest(name) for name in list_manifests()]
    complete = {m.name for m in whole if m.files and all(file.sha256 for file in m.files)}
    assert complete == set(REAL)


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_those_of_the_manifest(shared, name):
    root, manifest = shared / "data" / REAL[name], load_manifest(name)
    check = check_files(manifest, root)
    assert check.passed
    assert check.surplus == []
    assert check.hashes == len(manifest.files)
    listing = open_manifest(manifest, root)
    assert [sample.id for sample in listing.samples] == manifest.ids


def test_a_real_part_of_a_named_set_is_not_the_set(shared):
    root = shared / "data/vif/RoadScene"
    assert "lacks 80 of the 100 files of roadscene50: " in refusal(
        load_manifest("roadscene50"), root
    )
    assert "holds 10 samples, tno42 has 42" in refusal(load_manifest("tno42"), root)
