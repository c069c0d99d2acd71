import pytest

from fusionlab.data.layouts import KNOWN_SOURCES, find_samples, task_of
from fusionlab.data.layouts.names import places_of
from fusionlab.errors import InputError


@pytest.fixture
def make(tmp_path):
    """Makes empty files, as nothing is read here, and gives back their folder."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def found(root, **options):
    """Files by source and by id, relative to the folder."""
    return {
        sample.id: {
            name: path.relative_to(root).as_posix() for name, path in sample.sources.items()
        }
        for sample in find_samples(root, **options).samples
    }


def references(root, **options):
    return {
        sample.id: sample.reference and sample.reference.relative_to(root).as_posix()
        for sample in find_samples(root, **options).samples
    }


def ignored(root, **options):
    return [path.relative_to(root).as_posix() for path in find_samples(root, **options).ignored]


LAYOUTS = {
    "subfolders": (
        ["vi/01.png", "ir/01.png", "vi/02.png", "ir/02.png"],
        {
            "01": {"vi": "vi/01.png", "ir": "ir/01.png"},
            "02": {"vi": "vi/02.png", "ir": "ir/02.png"},
        },
    ),
    "scenes": (
        ["Arno/Arno_A.png", "Arno/Arno_B.png", "Tree/Tree_A.jpg", "Tree/Tree_B.jpg"],
        {
            "Arno": {"A": "Arno/Arno_A.png", "B": "Arno/Arno_B.png"},
            "Tree": {"A": "Tree/Tree_A.jpg", "B": "Tree/Tree_B.jpg"},
        },
    ),
    "suffixes": (
        ["lytro-01-A.jpg", "lytro-01-B.jpg", "lytro-02-A.jpg", "lytro-02-B.jpg"],
        {
            "lytro-01": {"A": "lytro-01-A.jpg", "B": "lytro-01-B.jpg"},
            "lytro-02": {"A": "lytro-02-A.jpg", "B": "lytro-02-B.jpg"},
        },
    ),
}


@pytest.mark.parametrize("name", ["auto", "itself"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_found_by_itself_and_by_name(make, layout, name):
    files, expected = LAYOUTS[layout]
    root = make(*files)
    listing = find_samples(root, layout if name == "itself" else "auto")
    assert listing.layout == layout
    assert found(root, layout=listing.layout) == found(root) == expected
    assert listing.ignored == []


@pytest.mark.parametrize("names", KNOWN_SOURCES, ids="-".join)
@pytest.mark.parametrize("write", [str.upper, str.title])
def test_known_sources_come_in_their_order_whatever_their_case(make, names, write):
    """As written by others: MRI and CT, Ir and Vis. What else lies beside them is left aside."""
    root = make(*(f"{write(name)}/1.png" for name in reversed(names)), "labels/1.png")
    assert list(found(root)["1"]) == [write(name) for name in names]
    assert task_of(find_samples(root).source_names) == KNOWN_SOURCES[names]
    assert ignored(root) == ["labels/1.png"]


@pytest.mark.parametrize("names", [n for n in KNOWN_SOURCES if "_" not in n[0]], ids="-".join)
def test_known_sources_are_found_as_suffixes_too(make, names):
    root = make(*(f"01_{name.upper()}.png" for name in reversed(names)), "01_labels.png")
    assert list(found(root)["01"]) == list(names)
    assert ignored(root) == ["01_labels.png"]


def test_the_task_needs_all_names_and_no_others():
    assert task_of(["IR", "vi"]) == "vif"
    assert task_of(["near", "middle", "far"]) == "mff"
    assert task_of(["vi"]) is None
    assert task_of(["vi", "ir", "depth"]) is None
    assert task_of(["A", "B"]) is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            ["vi/01.PNG", "ir/01.jpg", "vi/Night.tif", "ir/nighT.bmp"],
            [("01.PNG", "01.jpg"), ("Night.tif", "nighT.bmp")],
            id="subfolders",
        ),
        pytest.param(
            ["x/Lighthouse_a.JPG", "x/Lighthouse_B.png", "y/sKY_a.jpg", "y/Sky_B.jpg"],
            [("Lighthouse_a.JPG", "Lighthouse_B.png"), ("sKY_a.jpg", "Sky_B.jpg")],
            id="scenes",
        ),
        pytest.param(
            ["Tree-A.JPG", "tree-b.png", "UP a.png", "up B.png"],
            [("Tree-A.JPG", "tree-b.png"), ("UP a.png", "up B.png")],
            id="suffixes",
        ),
    ],
)
def test_names_are_matched_whatever_their_case_and_extension(make, files, expected):
    listing = find_samples(make(*files))
    pairs = [tuple(path.name for path in sample.sources.values()) for sample in listing.samples]
    assert pairs == expected


@pytest.mark.parametrize(
    "files",
    [
        ["1/x_a.png", "1/x_B.png", "2/x_A.png", "2/x_b.png"],
        ["1_a.png", "1_B.png", "2_A.png", "2_b.png"],
    ],
    ids=["scenes", "suffixes"],
)
def test_a_source_has_one_name_however_its_files_spell_it(make, files):
    """Else the table of MEFB has a row for A and one for a, with two of the hundred scenes."""
    listing = find_samples(make(*files))
    assert {tuple(sample.sources) for sample in listing.samples} == {("A", "B")}


def test_mefb_with_copies_and_a_stray_text(make):
    root = make(
        "Lighthouse/Lighthouse_a.jpg",
        "Lighthouse/Lighthouse_B.png",
        "Lighthouse/IMG_0001.jpg",
        "Lighthouse/Lighthouse original.jpg",
        "Lighthouse/ev.txt",
        "Window2/Window2_A.JPG",
        "Window2/Window2_B.jpg",
        "readme.md",
    )
    assert found(root) == {
        "Lighthouse": {"A": "Lighthouse/Lighthouse_a.jpg", "B": "Lighthouse/Lighthouse_B.png"},
        "Window2": {"A": "Window2/Window2_A.JPG", "B": "Window2/Window2_B.jpg"},
    }
    assert ignored(root) == [
        "Lighthouse/IMG_0001.jpg",
        "Lighthouse/Lighthouse original.jpg",
        "Lighthouse/ev.txt",
        "readme.md",
    ]


def test_a_stray_image_beside_the_scenes_does_not_hide_them(make):
    root = make("overview.png", *LAYOUTS["scenes"][0])
    assert found(root) == LAYOUTS["scenes"][1]
    assert ignored(root) == ["overview.png"]


@pytest.mark.parametrize("options", [{}, {"sources": ["A", "B"]}])
def test_scenes_whose_files_are_called_alike_are_not_mixed(make, options):
    root = make(*(f"{scene}/img_{name}.png" for scene in (1, 2) for name in "AB"))
    assert found(root, **options) == {
        "1": {"A": "1/img_A.png", "B": "1/img_B.png"},
        "2": {"A": "2/img_A.png", "B": "2/img_B.png"},
    }


def test_exposures_without_suffix_come_in_natural_order(make):
    root = make(*(f"house/{k}.jpg" for k in (10, 9, 2)), "tree/tree1.jpg", "tree/tree2.jpg")
    assert found(root) == {
        "house": {"1": "house/2.jpg", "2": "house/9.jpg", "3": "house/10.jpg"},
        "tree": {"1": "tree/tree1.jpg", "2": "tree/tree2.jpg"},
    }
    assert find_samples(root).source_names == ("1", "2", "3")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_samples_come_in_natural_order(make, layout):
    pattern = {
        "subfolders": "{1}/s{0}.png",
        "scenes": "s{0}/{1}_{1}.png",
        "suffixes": "s{0}-{1}.png",
    }
    root = make(*(pattern[layout].format(k, name) for k in (10, 2, 1) for name in "AB"))
    assert list(found(root, layout=layout)) == ["s1", "s2", "s10"]


@pytest.mark.parametrize("id", ["día 1²", "夜 2", "a b  c", "½", "x.y", "[1]*", "٣"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_odd_names_are_kept(make, layout, id):
    pattern = {"subfolders": "{1}/{0}.png", "scenes": "{0}/{0}_{1}.png", "suffixes": "{0}_{1}.png"}
    files = {name: pattern[layout].format(id, name) for name in ("A", "B")}
    root = make(*files.values())
    assert found(root, layout=layout) == {id: files}


def test_a_triple_has_three_sources_and_scenes_may_differ_in_number(make):
    root = make("1/1-A.png", "1/1-B.png", "2/2-A.png", "2/2-B.png", "2/2-C.png")
    listing = find_samples(root)
    assert [tuple(sample.sources) for sample in listing.samples] == [("A", "B"), ("A", "B", "C")]
    assert listing.source_names == ("A", "B", "C")


def test_msrs_with_its_segmentation_labels(make):
    root = make(*(f"{folder}/00004N.png" for folder in ("ir", "Segmentation_labels", "vi")))
    assert found(root) == {"00004N": {"vi": "vi/00004N.png", "ir": "ir/00004N.png"}}
    assert ignored(root) == ["Segmentation_labels/00004N.png"]
    assert references(root) == {"00004N": None}


def test_the_labels_of_fmb_are_classes_and_no_ground_truth(make):
    """Users report that one is missing, which must not matter either."""
    names = ("Infrared", "Visible", "Label")
    root = make(*(f"{folder}/00043.png" for folder in names), "Infrared/2.png", "Visible/2.png")
    assert references(root) == {"2": None, "00043": None}
    assert references(make("Label/2.png"), reference="label")["2"] == "Label/2.png"


def test_mfi_whu_with_its_reference(make):
    root = make(*(f"{folder}/1.jpg" for folder in ("full_clear", "source_2", "source_1")))
    assert found(root) == {"1": {"source_1": "source_1/1.jpg", "source_2": "source_2/1.jpg"}}
    assert references(root) == {"1": "full_clear/1.jpg"}


def test_roadscene_takes_the_aligned_crops(make):
    folders = ("cropinfrared", "crop_LR_visible", "crop_HR_visible", "infrared", "visible")
    root = make(*(f"{folder}/FLIR_05164.jpg" for folder in folders))
    assert list(found(root).values()) == [
        {
            "crop_LR_visible": "crop_LR_visible/FLIR_05164.jpg",
            "cropinfrared": "cropinfrared/FLIR_05164.jpg",
        }
    ]
    assert task_of(find_samples(root).source_names) == "vif"


@pytest.mark.parametrize(
    ("files", "titles"),
    [
        (["Far/1.png", "middle/1.png", "NEAR/1.png"], ["Far", "NEAR"]),
        (["1/1_Far.png", "1/1_middle.png", "1/1_NEAR.png"], ["far", "near"]),
        (["1-Far.png", "1-middle.png", "1-NEAR.png"], ["far", "near"]),
    ],
    ids=LAYOUTS,
)
@pytest.mark.parametrize("sources", [("near", "far"), ("FAR", "Near")])
def test_named_sources_are_taken_in_their_order_whatever_their_case(make, files, titles, sources):
    root = make(*files)
    expected = titles if sources[0] == "FAR" else titles[::-1]
    (sample,) = found(root, sources=sources).values()
    assert list(sample) == expected
    assert [path.lower() for path in sample.values()] == [
        next(file.lower() for file in files if name in file.lower())
        for name in map(str.lower, sources)
    ]
    assert ignored(root, sources=sources) == [file for file in files if "middle" in file]


def test_a_named_source_is_no_reference_though_it_has_the_name_of_one(make):
    root = make("ref/1.png", "moved/1.png")
    assert list(found(root, sources=["ref", "moved"])["1"]) == ["ref", "moved"]
    assert references(root, sources=["ref", "moved"]) == {"1": None}
    suffixes = make("s/1-ref.png", "s/1-moved.png") / "s"
    assert list(found(suffixes, sources=["ref", "moved"])["1"]) == ["ref", "moved"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["A/1.png", "B/1.png", "GT/1.jpg"], {"1": "GT/1.jpg"}),
        (["1-A.png", "1-B.png", "1-gt.jpg"], {"1": "1-gt.jpg"}),
        (["1/1_A.png", "1/1_B.png", "1/1_Gt.jpg"], {"1": "1/1_Gt.jpg"}),
        (["1/1.png", "1/2.png", "1/Reference.jpg"], {"1": "1/Reference.jpg"}),
    ],
    ids=[*LAYOUTS, "exposures"],
)
def test_a_reference_is_found_by_its_usual_names_and_is_no_source(make, files, expected):
    root = make(*files)
    assert references(root) == expected
    assert len(find_samples(root).samples[0].sources) == 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["near/1.png", "far/1.png", "gt/1.png", "Sharp/1.png"], {"1": "Sharp/1.png"}),
        (["1-near.png", "1-far.png", "1-gt.png", "1-Sharp.png"], {"1": "1-Sharp.png"}),
        (["1/1_A.png", "1/1_B.png", "1/1_gt.png", "1/1_Sharp.png"], {"1": "1/1_Sharp.png"}),
        (["1/1.png", "1/2.png", "1/Sharp.png"], {"1": "1/Sharp.png"}),
    ],
    ids=[*LAYOUTS, "exposures"],
)
def test_a_reference_is_found_by_the_name_given(make, files, expected):
    assert references(make(*files), reference="shARP") == expected


@pytest.mark.parametrize(
    "files",
    [
        ["A/1.png", "B/1.png", "label/1.png", "gt/1.png"],
        ["1-A.png", "1-B.png", "1-label.png", "1-gt.png"],
    ],
    ids=["subfolders", "suffixes"],
)
def test_of_two_references_the_likelier_is_taken(make, files):
    (reference,) = references(make(*files), sources=["A", "B"]).values()
    assert "gt" in reference


REFUSED = {
    "no folder": ([], {}, ["gone", "no folder", "data.root"]),
    "empty folder": ([], {}, ["no samples", "data.root"]),
    "text only": (["readme.txt", "ev.txt"], {}, ["no samples", "data.root"]),
    "nested too deep": (["train/vi/1.png", "train/ir/1.png"], {}, ["no samples", "data.root"]),
    "ir missing": (
        ["vi/1.png", "ir/1.png", "vi/2.png"],
        {},
        ["vi/2.png has no partner", "ir/2;", "add it"],
    ),
    "vi missing": (
        ["vi/1.png", "ir/1.png", "ir/2.png"],
        {},
        ["ir/2.png has no partner", "vi/2;", "add it"],
    ),
    "reference missing": (
        ["A/1.png", "B/1.png", "gt/1.png", "A/2.png", "B/2.png"],
        {},
        ["A/2.png has no partner", "gt/2;", "add it"],
    ),
    "suffix missing": (
        ["1-A.png", "1-B.png", "2-A.png"],
        {},
        ["2-A.png has no partner", "*B;", "add it"],
    ),
    "named suffix missing": (
        ["1_vi.png", "1_ir.png", "2_ir.png"],
        {},
        ["2_ir.png has no partner", "*vi;", "add it"],
    ),
    "one of two in a scene": (
        ["1/1_A.png", "1/1_B.png", "2/2_B.png"],
        {},
        ["2/2_B.png has no partner", "data.sources"],
    ),
    "one exposure": (
        ["1/1.png", "1/2.png", "2/3.png"],
        {},
        ["2/3.png has no partner", "data.sources"],
    ),
    "one suffix": (["1-A.png", "2-A.png"], {}, ["1-A.png has no partner", "data.sources"]),
    "the other suffix": (["1-B.png", "2-B.png"], {}, ["1-B.png has no partner", "data.sources"]),
    "one subfolder": (
        ["vi/1.png"],
        {"layout": "subfolders"},
        ["vi/1.png has no partner", "data.sources"],
    ),
    "one source named": (
        ["vi/1.png", "ir/1.png"],
        {"sources": ["vi"]},
        ["vi/1.png has no partner", "data.sources"],
    ),
    "one source named twice": (
        ["vi/1.png", "ir/1.png"],
        {"sources": ["vi", "VI"]},
        ["vi/1.png has no partner", "data.sources"],
    ),
    "same stem": (
        ["vi/1.png", "vi/1.jpg", "ir/1.png"],
        {},
        ["vi/1.jpg and", "vi/1.png", "keep one"],
    ),
    "same stem but for case": (
        ["vi/1.png", "ir/Sky.png", "ir/sKY.PNG"],
        {},
        ["ir/Sky.png", "ir/sKY.PNG", "keep one"],
    ),
    "same suffix": (
        ["1-A.png", "1-A.jpg", "1-B.png"],
        {},
        ["1-A.jpg and", "1-A.png", "keep one"],
    ),
    "same exposure": (
        ["1/1.png", "1/1.jpg", "1/2.png"],
        {},
        ["1/1.jpg and", "1/1.png", "keep one"],
    ),
    "two references": (
        ["1-A.png", "1-B.png", "1-gt.png", "1-gt.jpg"],
        {},
        ["1-gt.jpg and", "1-gt.png", "keep one"],
    ),
    "unknown subfolders": (
        ["vi/1.png", "ir/1.png"],
        {"sources": ["Swir", "ir"]},
        ["no images in", "swir", "data.sources (subfolders there: ir, vi)"],
    ),
    "unknown suffixes": (
        ["1-A.png", "1-B.png"],
        {"sources": ["X", "Y"]},
        ["no samples", "X, Y", "data.sources"],
    ),
    "unknown suffixes in scenes": (
        ["1/1-A.png", "1/1-B.png"],
        {"sources": ["X", "Y"]},
        ["no samples", "X, Y", "data.sources"],
    ),
    "named sources among exposures": (
        ["1/1.png", "1/2.png"],
        {"sources": ["under", "over"], "layout": "scenes"},
        ["no samples", "under, over", "data.sources"],
    ),
    "images without suffix": (["1.png", "2.png"], {}, ["no samples", "suffixes", "data.root"]),
    "named folders that share no file": (
        ["A/1.png", "B/2.png"],
        {"sources": ["a", "b"]},
        ["A/1.png has no partner", "B/1;", "set data.layout"],
    ),
    "half a known pair": (
        ["vi/1.png", "vi/2.png"],
        {},
        ["has a folder vi but no partner", "ir", "data.sources"],
    ),
    "exposures or sources": (
        ["01/1.png", "01/2.png", "02/1.png", "02/2.png"],
        {},
        ["folder per source", "folder per sample", "data.layout"],
    ),
    "three unknown subfolders": (
        ["x/1.png", "y/1.png", "z/1.png"],
        {},
        ["x, y, z", "data.sources"],
    ),
    "a reference that is a source": (
        ["A/1.png", "B/1.png"],
        {"reference": "A", "sources": ["A", "B"]},
        ["data.reference", "also a source"],
    ),
    "unknown reference": (
        ["A/1.png", "B/1.png", "gt/1.png"],
        {"reference": "sharp"},
        ["no sharp", "data.reference"],
    ),
    "unknown reference suffix": (
        ["1-A.png", "1-B.png", "1-gt.png"],
        {"reference": "sharp"},
        ["no sharp", "data.reference"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_in_a_line_with_file_and_remedy(make, case):
    files, options, parts = REFUSED[case]
    root = make(*files)
    with pytest.raises(InputError) as error:
        find_samples(root / "gone" if case == "no folder" else root, **options)
    message = str(error.value)
    assert str(root) in message
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message


def test_files_that_share_a_name_elsewhere_do_not_matter(make):
    root = make("vi/1.png", "ir/1.png", "results/1.png", "results/1.jpg")
    assert ignored(root) == ["results/1.jpg", "results/1.png"]


def test_a_folder_without_images_is_no_source(make):
    root = make("A/1.png", "B/1.png", "notes/1.txt")
    assert list(found(root)["1"]) == ["A", "B"]


def test_subfolders_whose_files_happen_to_end_in_a_letter(make):
    """A lone file is no scene, or of a single pair each image would be one."""
    root = make("one/Bench_a.png", "two/Bench_a.png")
    assert found(root) == {"Bench_a": {"one": "one/Bench_a.png", "two": "two/Bench_a.png"}}


def test_a_reference_without_sources_is_ignored(make):
    root = make("1-A.png", "1-B.png", "2-gt.png", "3-gt.png", "3-A.png", "3-B.png")
    assert references(root) == {"1": None, "3": "3-gt.png"}
    assert ignored(root) == ["2-gt.png"]
    root = make("s/A/1.png", "s/B/1.png", "s/gt/1.png", "s/gt/2.png") / "s"
    assert ignored(root) == ["gt/2.png"]


def test_hidden_files_and_folders_are_no_images(make):
    root = make("A/1.png", "B/1.png", "A/._1.png", ".thumbs/1.png")
    assert found(root) == {"1": {"A": "A/1.png", "B": "B/1.png"}}


REAL = {
    "vif/TNO": ("subfolders", ("vi", "ir"), "vif", 10),
    "vif/RoadScene": ("subfolders", ("vi", "ir"), "vif", 10),
    "vif/MSRS": ("subfolders", ("vi", "ir"), "vif", 3),
    "vif/IFCNN_IV": ("subfolders", ("vis", "ir"), "vif", 5),
    "mif/MRI_CT": ("subfolders", ("MRI", "CT"), "mif", 11),
    "mif/MRI_PET": ("subfolders", ("MRI", "PET"), "mif", 5),
    "mif/MRI_SPECT": ("subfolders", ("MRI", "SPECT"), "mif", 5),
    "mif/IFCNN_MD": ("subfolders", ("1", "2"), None, 3),
    "mef/MEFB": ("scenes", ("A", "B"), None, 15),
    "mef/Sequences": ("scenes", ("1", "2", "3", "4", "5"), None, 3),
    "mff/Lytro": ("suffixes", ("A", "B"), None, 10),
    "mff/LytroTriple": ("suffixes", ("A", "B", "C"), None, 2),
}


@pytest.mark.parametrize("folder", REAL)
def test_real_folders(shared, folder):
    layout, names, task, count = REAL[folder]
    listing = find_samples(shared / "data" / folder)
    ids = [sample.id for sample in listing.samples]
    assert (listing.layout, listing.source_names) == (layout, names)
    assert task_of(listing.source_names) == task
    assert len(set(ids)) == len(ids) == count
    assert listing.ignored == []


def test_every_source_of_a_real_pair_shows_its_name(shared):
    """Underexposed first, MRI first: order is what --data.sources and the tables rely on."""
    for sample in find_samples(shared / "data" / "mef" / "MEFB").samples:
        assert [path.stem[-1] for path in sample.sources.values()] == ["A", "B"]
    for sample in find_samples(shared / "data" / "mif" / "MRI_PET").samples:
        assert [path.parent.name for path in sample.sources.values()] == ["MRI", "PET"]
    windows = find_samples(shared / "data" / "mef" / "Sequences").samples[-1]
    assert [path.stem for path in windows.sources.values()] == [
        f"window{k}" for k in (1, 2, 3, 5, 6)
    ]


@pytest.mark.parametrize(
    ("wanted", "names", "places"),
    [
        (("ir", "vi"), ("Visible", "Infrared"), [1, 0]),
        (("ir", "vi"), ("thermal", "rgb"), [0, 1]),
        (("over", "under"), ("ue", "oe"), [1, 0]),
        (("over", "under"), ("under", "middle", "over"), [0, 1, 2]),  # others than it wants
        (("over", "under"), ("a", "b"), [0, 1]),
        (("ir", "vi"), ("vi", "vis"), [0, 1]),
        (("far", "near"), ("near", "far"), [1, 0]),  # a name without synonyms
        (("near", "middle", "far"), ("far", "near", "middle"), [1, 2, 0]),
        (("near", "middle", "far"), ("far", "near"), [1, 0]),  # fewer than it takes
    ],
)
def test_places_of_the_sources_that_a_network_wants(wanted, names, places):
    assert places_of(wanted, names) == places
