"""Folders of real data sets as people have them: pairs, roles and order, or a refusal that helps.

Every tree is small, and its files hold nothing; what is expected was written by hand.
"""

import os
import unicodedata

import pytest

from fusionlab.data.files import UnmatchedError
from fusionlab.data.layouts import find_samples, task_of
from fusionlab.data.layouts.names import places_of
from fusionlab.data.layouts.roles import roles_of
from fusionlab.errors import InputError


def cross(pattern, *values):
    """Every file of ``pattern`` with each of the values, ``{0}{1}``."""
    names = [()]
    for one in values:
        names = [(*before, value) for before in names for value in one]
    return [pattern.format(*name) for name in names]


VI_IR = ("vi", "ir")
MEF = ("under", "normal", "over")
MFF = ("near", "middle", "far")
# files, options: ids, names of the sources of the first sample, their roles, the task
TREES = {
    "LLVIP": (
        cross("{0}/{1}/19000{2}.jpg", ("visible", "infrared"), ("train", "test"), (1, 2)),
        {"split": "test"},
        (["190001", "190002"], ("visible", "infrared"), VI_IR, "vif"),
    ),
    "MSRS": (
        cross("{0}/{1}/0000{2}.png", ("train", "test"), ("vi", "ir", "Segmentation_labels"), "47"),
        {"split": "test"},
        (["00004", "00007"], ("vi", "ir"), VI_IR, "vif"),
    ),
    "MSRS detection": (
        cross("{0}/{1}.png", ("vi", "ir", "labels"), "12"),
        {},
        (["1", "2"], ("vi", "ir"), VI_IR, "vif"),
    ),
    "TNO scenes": (
        cross("{0}/{1}.bmp", ("Bunker", "Lake"), ("vis", "ir")),
        {},
        (["Bunker", "Lake"], ("vis", "ir"), VI_IR, "vif"),
    ),
    "TNO scenes with names and numbers": (
        cross("{0}/{1}_{0}.bmp", ("Bunker", "Lake"), ("VIS", "IR")),
        {"layout": "scenes", "sources": ["VIS", "IR"]},
        None,
    ),
    "TNO-42": (cross("{0}/{1}.png", VI_IR, ("01", "02")), {}, (["01", "02"], VI_IR, VI_IR, "vif")),
    "TNO-14": (
        cross("{0}_{1}.png", ("Camp", "T2"), ("IR", "Vis")),
        {},
        (["Camp", "T2"], ("vis", "ir"), VI_IR, "vif"),
    ),
    "TNO-21 of DenseFuse": (
        cross("{0}{1}.png", ("IR", "VIS"), (1, 2, 10)),
        {},
        (["1", "2", "10"], ("vis", "ir"), VI_IR, "vif"),
    ),
    "RoadScene": (
        cross(
            "{0}/FLIR_0{1}.jpg",
            ("infrared", "cropinfrared", "crop_LR_visible", "crop_HR_visible"),
            "12",
        ),
        {},
        (["FLIR_01", "FLIR_02"], ("crop_LR_visible", "cropinfrared"), VI_IR, "vif"),
    ),
    "M3FD": (
        cross("{0}/0{1}.png", ("Ir", "Vis"), "12"),
        {},
        (["01", "02"], ("Vis", "Ir"), VI_IR, "vif"),
    ),
    "M3FD of TarDAL": (
        [*cross("{0}/0{1}.png", ("ir", "vi"), "12"), "labels/01.txt", "meta/train.txt"],
        {},
        (["01", "02"], VI_IR, VI_IR, "vif"),
    ),
    "FMB": (
        cross(
            "{0}/{1}/00{2}.png", ("train", "test"), ("Infrared", "Visible", "Label", "color"), "34"
        ),
        {"split": "train"},
        (["003", "004"], ("Visible", "Infrared"), VI_IR, "vif"),
    ),
    "VIFB": (
        cross("{0}/{1}.jpg", ("VI", "IR"), ("carLight", "manCar")),
        {},
        (["carLight", "manCar"], ("VI", "IR"), VI_IR, "vif"),
    ),
    "VT5000": (
        cross("{0}/{1}.png", ("RGB", "T", "GT"), "12"),
        {},
        (["1", "2"], ("RGB", "T"), VI_IR, "vif"),
    ),
    "VT821": (
        cross("{0}/{1}.png", ("V", "T", "GT"), "12"),
        {},
        (["1", "2"], ("V", "T"), VI_IR, "vif"),
    ),
    "KAIST": (
        cross("{0}/I0{1}.jpg", ("lwir", "visible"), "12"),
        {},
        (["I01", "I02"], ("visible", "lwir"), VI_IR, "vif"),
    ),
    "KAIST sequences": (
        cross("{0}/{1}/I0{2}.jpg", ("V000", "V001"), ("lwir", "visible"), "12"),
        {},
        (["V000/I01", "V000/I02", "V001/I01", "V001/I02"], ("visible", "lwir"), VI_IR, "vif"),
    ),
    "FLIR aligned": (
        cross("{0}/{1}.jpg", ("thermal_8_bit", "RGB"), "12"),
        {},
        (["1", "2"], ("RGB", "thermal_8_bit"), VI_IR, "vif"),
    ),
    "IRFormer": (
        cross("{0}/{1}.png", ("ir_img", "vis_img"), "12"),
        {},
        (["1", "2"], ("vis_img", "ir_img"), VI_IR, "vif"),
    ),
    "RGB-NIR scenes": (
        cross("{0}/00{1}_{2}.tiff", ("country", "field"), "01", ("rgb", "nir")),
        {},
        (
            ["country/000", "country/001", "field/000", "field/001"],
            ("rgb", "nir"),
            ("vi", "nir"),
            "vif",
        ),
    ),
    "three bands": (
        cross("{0}/1.png", ("nir", "ir", "vi")),
        {},
        (["1"], ("vi", "ir", "nir"), ("vi", "ir", "nir"), "vif"),
    ),
    "pairs by day and night": (
        cross("{0}/0{1}_{2}.png", ("day", "night"), "12", VI_IR),
        {},
        (["day/01", "day/02", "night/01", "night/02"], VI_IR, VI_IR, "vif"),
    ),
    "categories of scenes": (
        cross("{0}/{1}/{2}.png", ("city", "field"), ("a1", "b2"), ("IR", "VIS")),
        {},
        (["city/a1", "city/b2", "field/a1", "field/b2"], ("VIS", "IR"), VI_IR, "vif"),
    ),
    "Harvard MRI-CT": (
        cross("{0}/{1}.png", ("CT", "MRI"), "12"),
        {},
        (["1", "2"], ("MRI", "CT"), ("mri", "ct"), "mif"),
    ),
    "Harvard large pack": (
        cross("{0}/200{1}.png", ("MRI", "SPECT"), "12"),
        {},
        (["2001", "2002"], ("MRI", "SPECT"), ("mri", "spect"), "mif"),
    ),
    "Harvard, all packs at once": (
        cross("{0}/{1}/1.png", ("CT-MRI",), ("CT", "MRI"))
        + cross("{0}/{1}/1.png", ("PET-MRI",), ("PET", "MRI")),
        {},
        None,
    ),
    "medical scenes": (
        cross("{0}/{1}.png", ("s1", "s2"), ("pet", "mri")),
        {},
        (["s1", "s2"], ("mri", "pet"), ("mri", "pet"), "mif"),
    ),
    "MRI, CT and PET": (
        cross("{0}/1.png", ("mri", "ct", "pet")),
        {},
        (["1"], ("mri", "ct", "pet"), ("mri", "ct", "pet"), "mif"),
    ),
    "MR-T1 and MR-T2": (
        cross("{0}/1.png", ("MR-T2", "MR-T1")),
        {},
        (["1"], ("MR-T1", "MR-T2"), ("t1", "t2"), "mif"),
    ),
    "masks beside medical images": (
        cross("{0}/1.png", ("mri", "ct", "mask", "gt")),
        {},
        (["1"], ("mri", "ct"), ("mri", "ct"), "mif"),
    ),
    "MEFB": (
        [
            "Arno/Arno_A.jpg",
            "Arno/Arno_B.png",
            "Arno/ev.txt",
            "Sky/sKY_a.tif",
            "Sky/Sky_B.tif",
            "Sky/IMG_1.tif",
        ],
        {},
        (["Arno", "Sky"], ("A", "B"), ("", ""), None),
    ),
    "SICE": (
        ["1/1.JPG", "1/2.JPG", "1/3.JPG", "2/1.JPG", "2/2.JPG", "Label/1.JPG", "Label/2.JPG"],
        {},
        (["1", "2"], ("1", "2", "3"), ("", "", ""), None),
    ),
    "TC-MoA exposures": (
        cross("{0}/{1}.png", ("oe", "ue"), "12"),
        {},
        (["1", "2"], ("ue", "oe"), ("under", "over"), "mef"),
    ),
    "three exposures": (
        cross("{0}/1.png", ("over", "normal", "under")),
        {},
        (["1"], MEF, MEF, "mef"),
    ),
    "scenes of three exposures": (
        cross("{0}/{1}.jpg", ("house", "tree"), MEF),
        {},
        (["house", "tree"], MEF, MEF, "mef"),
    ),
    "exposures as suffixes": (
        cross("{0}_{1}.jpg", ("house", "tree"), MEF),
        {},
        (["house", "tree"], MEF, MEF, "mef"),
    ),
    "three focal planes": (
        cross("{0}/1.png", ("near", "mid", "far")),
        {},
        (["1"], ("near", "mid", "far"), MFF, "mff"),
    ),
    "Lytro": (
        cross("lytro-0{0}-{1}.jpg", "12", "AB"),
        {},
        (["lytro-01", "lytro-02"], ("A", "B"), ("", ""), None),
    ),
    "MFIF resource": (
        cross("{0}/{1}-{2}.jpg", ("color", "grayscale"), ("c_01", "c_02"), "AB"),
        {},
        (
            ["color/c_01", "color/c_02", "grayscale/c_01", "grayscale/c_02"],
            ("A", "B"),
            ("", ""),
            None,
        ),
    ),
    "MFI-WHU": (
        cross("{0}/{1}.jpg", ("source_2", "source_1", "full_clear"), "12"),
        {},
        (["1", "2"], ("source_1", "source_2"), ("", ""), "mff"),
    ),
    "Real-MFF": (
        cross("image{0}/00{1}_{0}.png", "AB", "12") + cross("Fusion/00{0}_F.png", "12"),
        {},
        (["001", "002"], ("imageA", "imageB"), ("", ""), "mff"),
    ),
    "numbered suffixes": (
        cross("c0{0}_{1}.tif", "12", "12"),
        {"sources": ["1", "2"]},
        (["c01", "c02"], ("1", "2"), ("", ""), None),
    ),
    "numbered folders with zeros": (
        cross("{0}/{1}.png", ("01", "02"), "ab"),
        {"sources": ["1", "2"]},
        (["a", "b"], ("01", "02"), ("", ""), None),
    ),
    "scenes of which one has a third image": (
        ["s1/vis.png", "s1/ir.png", "s1/nir.png", "s2/vis.png", "s2/ir.png"],
        {},
        (["s1", "s2"], ("vis", "ir", "nir"), ("vi", "ir", "nir"), "vif"),
    ),
}

TREES["categories within the sources"] = (
    cross("{0}/{1}/{2}.png", ("visible", "lwir"), ("day", "night"), "12"),
    {},
    (["day/1", "day/2", "night/1", "night/2"], ("visible", "lwir"), VI_IR, "vif"),
)
TREES["KAIST by source"] = (
    cross("{0}/set00/{1}/I01.png", ("visible", "lwir"), ("V000", "V001")),
    {},
    (["set00/V000/I01", "set00/V001/I01"], ("visible", "lwir"), VI_IR, "vif"),
)
TREES["categories that a source lacks"] = (
    ["vi/day/1.png", "ir/day/1.png", "vi/dusk/1.png"],
    {"sources": ["vi", "ir"]},
    None,
)
TREES["dark and bright exposures"] = (
    ["bright/1.png", "dark/1.png"],
    {},
    (["1"], ("dark", "bright"), ("under", "over"), "mef"),
)


@pytest.fixture
def plant(tmp_path):
    def plant(names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return plant


def test_there_are_as_many_trees_as_are_stated():
    assert len(TREES) >= 40


@pytest.mark.parametrize("name", TREES)
def test_tree(plant, name):
    files, options, expected = TREES[name]
    root = plant(files)
    if expected is None:
        with pytest.raises(InputError, match=r"data\.|partner") as error:
            find_samples(root, **options)
        assert "\n" not in str(error.value)
        return
    ids, names, roles, task = expected
    listing = find_samples(root, **options)
    assert [sample.id for sample in listing.samples] == ids
    assert tuple(listing.samples[0].sources) == names
    assert tuple(roles_of(names)) == roles
    assert task_of(names) == task
    for sample in listing.samples:  # every file of a sample is of its id, and of its source
        last = sample.id.rpartition("/")[2]
        for source, path in sample.sources.items():
            assert last in path.as_posix()
            assert source.casefold() in path.as_posix().casefold() or source.isdecimal()
    if task in ("vif", "mif"):
        assert not any(sample.reference for sample in listing.samples)


@pytest.mark.parametrize(
    ("wanted", "names", "places"),
    [
        (("ir", "vi"), ("V", "T"), [1, 0]),
        (("ir", "vi"), ("rgb", "nir"), [1, 0]),
        (("vi", "ir"), ("lwir", "rgbvis"), [1, 0]),
        (("vi", "ir"), ("ir_img", "vis_img"), [1, 0]),
        (("vi", "ir"), ("flir", "camera2"), [1, 0]),  # what the first leaves over
        (("under", "over"), ("overexposed", "ue"), [1, 0]),
        (("vi", "ir"), ("IR_resized", "RGB_resized"), [1, 0]),  # a word that says nothing
        (("vi", "ir"), ("NearIR", "eo_x"), [1, 0]),
        (("vi", "ir"), ("long_wave_infrared", "y16"), [1, 0]),
    ],
)
def test_a_network_gets_its_sources_by_their_roles(wanted, names, places):
    assert places_of(wanted, names) == places


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *[("near_infrared", "nir"), ("NearIR", "nir"), ("far-infrared", "ir"), ("MR-T1", "t1")],
        *[("LongwaveIR", "ir"), ("shortwave_infrared", "swir"), ("vis_mask", ""), ("near", "near")],
    ],
)
def test_two_words_may_tell_one_role(name, role):
    assert roles_of([name])[0] == role


def test_sources_that_are_all_there_are_come_in_the_order_of_their_words(plant):
    root = plant(["IR_resized/1.png", "RGB_resized/1.png"])
    assert find_samples(root).source_names == ("RGB_resized", "IR_resized")


def test_composed_and_decomposed_names_are_the_same(plant):
    composed, apart = (unicodedata.normalize(form, "é01") for form in ("NFC", "NFD"))
    root = plant([f"vi/{composed}.png", f"ir/{apart}.png", f"x_vi/{composed}-A.png"])
    (sample,) = find_samples(root).samples
    assert [path.parent.name for path in sample.sources.values()] == ["vi", "ir"]


def test_a_name_that_is_not_utf_8_ends_in_a_line(tmp_path):
    for source in ("vi", "ir"):
        (tmp_path / source).mkdir()
        try:
            (tmp_path / source / os.fsdecode(b"caf\xe9_01.png")).touch()
        except OSError:
            pytest.skip("this file system takes no such name")
    with pytest.raises(InputError, match=r"caf\\xe9_01\.png has a name that is not UTF-8") as error:
        find_samples(tmp_path)
    str(error.value).encode()


def test_a_sample_that_would_vanish_is_named_or_left_out_on_request(plant):
    root = plant(["vi/1.png", "ir/1.png", "vi/2.png", "ir/2.png", "vi/3.png", "vi/4.avif"])
    (root / "vi/5.png").symlink_to(root / "gone.png")
    with pytest.raises(UnmatchedError, match=r"vi/5\.png is a link to a file that is not there"):
        find_samples(root)
    (root / "vi/5.png").unlink()
    with pytest.raises(UnmatchedError, match=r"vi/3\.png has no partner"):
        find_samples(root)
    (root / "vi/3.png").unlink()
    with pytest.raises(UnmatchedError, match=r"vi/4\.avif is of a format that is not read"):
        find_samples(root)
    (root / "vi/3.png").touch()
    (root / "vi/5.png").symlink_to(root / "gone.png")
    listing = find_samples(root, allow_unmatched=True)
    assert [sample.id for sample in listing.samples] == ["1", "2"]
    assert [path.name for path in listing.left_out] == ["5.png", "3.png"]


def test_a_series_with_a_gap_is_named(plant):
    root = plant(["s/1.jpg", "s/3.jpg", "t/1.jpg", "t/2.jpg"])
    with pytest.raises(InputError, match=r"s has exposures 1, 3 and no 2"):
        find_samples(root, layout="scenes")
    listing = find_samples(root, layout="scenes", allow_unmatched=True)
    assert [sample.id for sample in listing.samples] == ["t"]
    assert [path.name for path in listing.left_out] == ["1.jpg", "3.jpg"]


def test_exposures_keep_their_own_numbers(plant):
    root = plant(["s/0.jpg", "s/1.jpg", "s/2.jpg", "t/0.jpg", "t/1.jpg"])
    listing = find_samples(root, layout="scenes")
    assert [tuple(sample.sources) for sample in listing.samples] == [("0", "1", "2"), ("0", "1")]
    plant(["u/1.jpg", "u/2.jpg"])
    with pytest.raises(InputError, match=r"u has exposures 1, 2 and no 0"):
        find_samples(root, layout="scenes")


def test_numbers_that_run_through_all_scenes_are_no_series(plant):
    root = plant(["s/101.jpg", "s/102.jpg", "t/103.jpg", "t/104.jpg"])
    listing = find_samples(root, layout="scenes")
    assert [tuple(sample.sources) for sample in listing.samples] == [("1", "2"), ("1", "2")]


def test_a_folder_of_formats_that_are_not_read_says_which(plant):
    root = plant(["vi/1.heic", "ir/1.heic"])
    with pytest.raises(InputError, match=r"\.heic"):
        find_samples(root, sources=["vi", "ir"])
