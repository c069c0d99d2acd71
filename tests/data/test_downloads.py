"""Data sets as they are downloaded: by themselves, and by their manifests."""

from dataclasses import replace

import pytest

from fusionlab.data.layouts import find_samples
from fusionlab.data.manifest_files import list_manifests, load_manifest
from fusionlab.data.manifest_open import open_manifest
from fusionlab.errors import InputError
from tests.data.trees import TREES, plant

EXPECTED = {  # sources of the first sample by its manifest, and its ground truth
    "tno42": ({"vi": "vi/01.png", "ir": "ir/01.png"}, None),
    "tno25": ({"vi": "vi/01.png", "ir": "ir/01.png"}, None),
    "tno14": ({"vi": "Camp_Vis.png", "ir": "Camp_IR.png"}, None),
    "roadscene": (
        {"vi": "crop_LR_visible/FLIR_05164.jpg", "ir": "cropinfrared/FLIR_05164.jpg"},
        None,
    ),
    "msrs-test": ({"vi": "test/vi/00004N.png", "ir": "test/ir/00004N.png"}, None),
    "llvip-test": (
        {"vi": "visible/test/190001.jpg", "ir": "infrared/test/190001.jpg"},
        None,
    ),
    "m3fd-fusion": ({"vi": "Vis/00000.png", "ir": "Ir/00000.png"}, None),
    "fmb-test": ({"vi": "test/Visible/00043.png", "ir": "test/Infrared/00043.png"}, None),
    "mefb": (
        {"under": "Lighthouse/Lighthouse_a.jpg", "over": "Lighthouse/Lighthouse_B.png"},
        None,
    ),
    "sice-part1": ({"1": "1/1.JPG", "2": "1/2.JPG", "3": "1/3.JPG"}, "Label/1.JPG"),
    "sice-part2": ({"1": "1/1.JPG", "2": "1/2.JPG", "3": "1/3.JPG"}, "Label/1.JPG"),
    "lytro": ({"A": "lytro-01-A.jpg", "B": "lytro-01-B.jpg"}, None),
    "lytro-triples": (
        {"A": "lytro-01-A.jpg", "B": "lytro-01-B.jpg", "C": "lytro-01-C.jpg"},
        None,
    ),
    "mfi-whu": ({"source_1": "source_1/1.jpg", "source_2": "source_2/1.jpg"}, "full_clear/1.jpg"),
    "real-mff": ({"A": "imageA/001_A.png", "B": "imageB/001_B.png"}, "Fusion/001_F.png"),
}
LAYOUTS = [name for name in list_manifests() if load_manifest(name).samples is None]


def relative(root, sample):
    truth = sample.reference and sample.reference.relative_to(root).as_posix()
    sources = {name: path.relative_to(root).as_posix() for name, path in sample.sources.items()}
    return sources, truth


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_download_is_opened_by_its_manifest(tmp_path, name):
    """Every manifest without ids has its tree here; two samples stand for all."""
    root = plant(tmp_path, TREES[name])
    manifest = replace(load_manifest(name), count=2)
    listing = open_manifest(manifest, root)
    assert len(listing.samples) == 2
    first = listing.samples[0]
    assert relative(root, first) == EXPECTED[name]
    assert list(first.sources) == list(EXPECTED[name][0])
    assert (listing.name, listing.layout) == (name, manifest.layout)
    assert listing.manifest == {"name": name, "sha256": manifest.sha256, "hashes_checked": 0}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_download_is_found_by_itself(tmp_path, name):
    """The files are the same; what the manifest adds are names, and that they are all."""
    root = plant(tmp_path, TREES[name])
    listing = find_samples(root, split=load_manifest(name).split)
    files, truth = relative(root, listing.samples[0])
    assert (set(files.values()), truth) == (set(EXPECTED[name][0].values()), EXPECTED[name][1])


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", LAYOUTS)
def test_another_number_of_samples_is_not_the_data_set(tmp_path, name, count):
    manifest = replace(load_manifest(name), count=count)
    with pytest.raises(InputError) as error:
        open_manifest(manifest, plant(tmp_path, TREES[name]))
    message = str(error.value)
    for part in (f"holds 2 samples, {name} has {count}", manifest.origin, "leave out data.name"):
        assert part in message
    assert "\n" not in message


def test_the_folder_of_the_split_may_be_given_itself(tmp_path):
    root = plant(tmp_path, TREES["msrs-test"])
    manifest = replace(load_manifest("msrs-test"), count=2)
    inside, above = open_manifest(manifest, root / "test"), open_manifest(manifest, root)
    assert inside.samples == above.samples


@pytest.mark.parametrize(
    ("name", "split", "first", "ignored"),
    [
        ("msrs-test", "train", "train/vi/00004N.png", 2),
        ("msrs-test", "TEST", "test/vi/00004N.png", 2),
        ("llvip-test", "train", "visible/train/10001.jpg", 0),
        ("fmb-test", "test", "test/Visible/00043.png", 3),
    ],
)
def test_a_split_is_found_above_or_below_the_sources(tmp_path, name, split, first, ignored):
    """And what belongs to the other is not even mentioned as ignored."""
    root = plant(tmp_path, TREES[name])
    listing = find_samples(root, split=split)
    assert relative(root, listing.samples[0])[0][listing.source_names[0]] == first
    assert len(listing.samples) == 2
    assert len(listing.ignored) == ignored
    assert listing.name == f"{tmp_path.name} {split}"


def test_a_folder_of_splits_is_refused_with_their_names(tmp_path):
    for name in ("msrs-test", "llvip-test"):
        root = plant(tmp_path / name, TREES[name])
        with pytest.raises(InputError, match=r"split into train, test; set data\.split, or data"):
            find_samples(root)


def test_a_split_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    for name in ("msrs-test", "llvip-test"):
        root = plant(tmp_path / name, TREES[name])
        with pytest.raises(InputError, match=r"no folder val in .*data\.split \(found: train, tes"):
            find_samples(root, split="val")
    root = plant(tmp_path / "flat", TREES["tno42"])
    with pytest.raises(InputError, match=r"no folder test in .*\(found: none\)"):
        find_samples(root, split="test")


def test_sice_without_one_of_its_labels(tmp_path):
    """It is still a folder of sequences; the data set then says which label is missing."""
    root = plant(tmp_path, [name for name in TREES["sice-part1"] if name != "Label/2.JPG"])
    first, second = find_samples(root).samples
    assert (first.reference, second.reference) == (root / "Label/1.JPG", None)


def test_the_ground_truths_of_scenes_may_be_in_a_folder_of_any_name(tmp_path):
    exposures = [f"{scene}/{k}.png" for scene in "ab" for k in (1, 2)]
    root = plant(tmp_path, [*exposures, "Sharp/a.png", "Sharp/b.jpg"])
    samples = find_samples(root, "scenes", reference="sharp").samples
    assert [sample.reference for sample in samples] == [root / "Sharp/a.png", root / "Sharp/b.jpg"]


def test_a_folder_called_fusion_holds_results_but_in_real_mff(tmp_path):
    root = plant(tmp_path, ["vi/1.png", "ir/1.png", "Fusion/1.png"])
    assert find_samples(root).samples[0].reference is None


def test_letters_are_left_out_only_if_each_folder_has_its_own(tmp_path):
    shared = plant(tmp_path / "shared", ["one/1_A.png", "two/1_A.png"])
    assert [sample.id for sample in find_samples(shared).samples] == ["1_A"]
    some = plant(tmp_path / "some", ["one/1_A.png", "one/2.png", "two/1_B.png", "two/2.png"])
    with pytest.raises(InputError, match=r"1_A\.png has no partner"):
        find_samples(some, sources=["one", "two"])
    own = plant(tmp_path / "own", ["one/ßé_a.png", "two/SSÉ_B.png"])
    assert [sample.id for sample in find_samples(own, sources=["one", "two"]).samples] == ["SSÉ"]


def test_a_partner_missing_in_real_mff_is_named(tmp_path):
    root = plant(tmp_path, [name for name in TREES["real-mff"] if name != "imageB/002_B.png"])
    with pytest.raises(InputError, match=r"imageA/002_A\.png has no partner .*imageB/002;"):
        find_samples(root)
