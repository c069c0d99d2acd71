"""What a manifest may say, how it is written and read, and its hash."""

import hashlib
from dataclasses import replace

import pytest
import yaml

from fusionlab.data.layouts import LAYOUTS
from fusionlab.data.manifest import TASKS, File, Manifest
from fusionlab.data.manifest_files import (
    PACKAGED,
    list_manifests,
    load_manifest,
    manifest_text,
    parse_manifest,
)
from fusionlab.data.scenes import TASKS as SCENE_TASKS
from fusionlab.errors import InputError

SHA = "ab" * 32
SMALL = f"""
name: small
title: two pairs
task: vif
layout: subfolders
origin: https://example.org
licence: none stated
sources: {{vi: Vis, ir: Ir}}
count: 2
samples:
  010: {{vi: {{path: Vis/010.png, size: 5, sha256: {SHA}}}, ir: {{path: Ir/010.png}}}}
  NO: {{vi: {{path: Vis/NO.png}}, ir: {{path: Ir/NO.png, size: 7}}}}
"""
COUNTS = {  # of the named sets, by their publications and repositories
    "tno42": 42,
    "tno25": 25,
    "tno14": 14,
    "roadscene50": 50,
    "msrs-test": 361,
    "harvard-mri-ct": 21,
    "harvard-mri-pet": 42,
    "harvard-mri-spect": 73,
    "mefb": 100,
    "lytro": 20,
    "lytro-triples": 4,
    "mfi-whu": 120,
    "llvip-test": 3463,
    "llvip-ttd": 69,
    "m3fd-fusion": 300,
    "sice-part1": 360,
    "sice-part2": 589 - 360,
    "real-mff": 710,
}


def small(text=SMALL):
    return parse_manifest(text, "small.yaml")


@pytest.mark.parametrize("name", list_manifests())
def test_every_manifest_of_the_package_is_well_formed(name):
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.task in TASKS
    assert manifest.layout in LAYOUTS
    assert manifest.count
    assert manifest.origin.startswith("https://")
    assert manifest.licence
    assert manifest.count == COUNTS.get(name, manifest.count)
    assert "\n" not in manifest.title + manifest.origin + manifest.licence


@pytest.mark.parametrize("name", list_manifests())
def test_every_manifest_of_the_package_is_written_as_it_is_read(name):
    text = (PACKAGED / f"{name}.yaml").read_text("utf-8")
    assert manifest_text(load_manifest(name)) == text


def test_the_named_sets_are_all_there():
    assert set(COUNTS) <= set(list_manifests())


def test_a_subset_agrees_with_the_whole():
    """A file has the same bytes in both, and a subset with a number in its name that many."""
    for name in list_manifests():
        subset = load_manifest(name)
        whole, _, count = name.rpartition("-")
        if not count.isdecimal() or whole not in list_manifests():
            continue
        assert subset.count == int(count)
        assert subset.sources.keys() == load_manifest(whole).sources.keys()
        samples = load_manifest(whole).samples
        assert samples is None or all(samples[id] == subset.samples[id] for id in subset.samples)


def test_the_pairs_of_the_ttd_paper_are_those_that_became_known(shared):
    names = (shared / "data" / "vif" / "llvip_ttd_ids.txt").read_text().split()
    assert load_manifest("llvip-ttd").ids == sorted(names)


def test_the_tasks_are_those_of_the_built_in_scenes():
    assert TASKS == SCENE_TASKS


def test_what_a_manifest_says():
    manifest = small()
    assert manifest == Manifest(
        name="small",
        title="two pairs",
        task="vif",
        layout="subfolders",
        origin="https://example.org",
        licence="none stated",
        sources={"vi": "Vis", "ir": "Ir"},
        count=2,
        samples={
            "010": {"vi": File("Vis/010.png", 5, SHA), "ir": File("Ir/010.png")},
            "NO": {"vi": File("Vis/NO.png"), "ir": File("Ir/NO.png", 7)},
        },
    )
    assert manifest.ids == ["010", "NO"]


def test_ids_come_in_natural_order_whatever_theirs_in_the_file():
    text = SMALL.replace("010", "x10").replace("NO", "x9")
    assert small(text).ids == ["x9", "x10"]


def test_a_manifest_is_read_back_as_it_was_written():
    manifest = replace(small(), note="a: 'b' # c\n  夜", reference="Label", split="test")
    assert parse_manifest(manifest_text(manifest), "again") == manifest
    bare = replace(manifest, samples=None, count=None, sources={}, note="")
    assert parse_manifest(manifest_text(bare), "again") == bare


def test_the_hash_is_that_of_the_content(tmp_path):
    """Comments, line ends, quotes and the order of keys are none; nor are words about the data."""
    said = yaml.load(SMALL, yaml.BaseLoader)
    samples = {
        id: {name: dict(reversed(file.items())) for name, file in reversed(sample.items())}
        for id, sample in reversed(said["samples"].items())
    }
    shuffled = yaml.safe_dump(
        dict(reversed((said | {"samples": samples}).items())), sort_keys=False
    )
    path = tmp_path / "other.yml"
    path.write_bytes(("# a comment\n" + shuffled).replace("\n", "\r\n").encode())
    assert load_manifest(path).sha256 == small().sha256
    words = replace(small(), title="?", origin="?", licence="?", note="?")
    assert words.sha256 == small().sha256
    assert len(small().sha256) == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{vi: Vis, ir: Ir}", "{ir: Ir, vi: Vis}"),
        ("{vi: Vis, ir: Ir}", "{vi: Visible, ir: Ir}"),
        ("task: vif", "task: mif"),
        ("name: small", "name: other"),
        ("layout: subfolders", "layout: suffixes"),
        ("count: 2", "count: 2\nsplit: test"),
        ("count: 2", "count: 2\nreference: gt"),
        ("size: 7", "size: 8"),
        (SHA, "cd" * 32),
        ("Vis/NO.png", "Vis/YES.png"),
        (", size: 5", ""),
    ],
)
def test_the_hash_changes_with_the_data(old, new):
    changed = SMALL.replace(old, new)
    assert changed != SMALL
    assert small(changed).sha256 != small().sha256


def test_the_hash_of_a_manifest_is_the_same_everywhere():
    """It stands in results: a change here makes them incomparable."""
    vi, ir = '["Vis/010.png", 5, "' + SHA + '"]', '["Ir/010.png", null, null]'
    first = f'"010": {{"ir": {ir}, "vi": {vi}}}'
    second = '"NO": {"ir": ["Ir/NO.png", 7, null], "vi": ["Vis/NO.png", null, null]}'
    said = (
        '{"count": 2, "layout": "subfolders", "name": "small", "reference": null, '
        f'"samples": {{{first}, {second}}}, "sources": [["vi", "Vis"], ["ir", "Ir"]], '
        '"split": null, "task": "vif"}'
    )
    assert small().sha256 == hashlib.sha256(said.encode()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("task: vif", "task: vis", "task must be one of vif, mif, mef, mff, got 'vis'"),
        ("subfolders", "folders", "layout must be one of subfolders, scenes, suffixes"),
        ("licence: none stated", "", "licence is missing"),
        ("title: two pairs", "title: [a]", "title must be text"),
        ("licence:", "license:", "license is no key; there are name, title"),
        ("count: 2", "count: 3", "count is 3, but there are 2 samples"),
        ("count: 2", "count: two", "count must be a whole number, got 'two'"),
        ("count: 2", "", "count is None, but"),
        ("size: 5", "size: -5", "size must be a whole number, got '-5'"),
        (SHA, "AB" * 32, "sha256 of Vis/010.png must be 64"),
        ("Vis/010.png", "/Vis/010.png", "must lie in the data set"),
        ("Vis/010.png", "../Vis/010.png", "must lie in the data set"),
        ("Vis/010.png", "Vis\\010.png", "must lie in the data set"),
        ("Vis/010.png", "Vis/010.txt", "must end in one of .bmp"),
        ("Vis/010.png", "vis/no.png", "two files have the same path"),
        ("path: Vis/010.png, ", "", "a file has a path"),
        ("size: 5", "bytes: 5", "a file has a path, size and sha256, got path, bytes"),
        ("{vi: {path: Vis/NO.png}, ir", "{visible: {path: Vis/NO.png}, ir", "NO has no vi"),
        ("{vi: {path: Vis/NO.png},", "{", "sample NO has no vi"),
        ("{vi: {path: Vis/NO.png},", "{vi: {path: 1.png}, x: {path: 2.png},", "NO has a x, which"),
        ("{vi: {path: Vis/NO.png},", "{vi: [Vis/NO.png],", "a file must be a mapping"),
        ("{vi: Vis, ir: Ir}", "[vi, ir]", "sources must be a mapping, got ['vi', 'ir']"),
        ("{vi: Vis, ir: Ir}", "{vi: Vis, reference: Ir}", "must not be called reference"),
        ("name: small", "name: [", "while parsing"),
    ],
)
def test_what_is_no_manifest_is_refused_in_a_line(old, new, mistake):
    text = SMALL.replace(old, new, 1)
    assert text != SMALL
    with pytest.raises(InputError) as error:
        small(text)
    assert str(error.value).startswith("small.yaml is no manifest: ")
    assert mistake in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "- a", "text"])
def test_a_text_that_is_no_mapping_is_refused(text):
    with pytest.raises(InputError, match=r"small\.yaml is no manifest: a manifest must be a mapp"):
        small(text)


def test_one_source_alone_is_refused():
    text = SMALL.replace("sources: {vi: Vis, ir: Ir}", "").replace("{vi: {path: Vis/NO.png},", "{")
    with pytest.raises(InputError, match="NO must have two sources or more"):
        small(text)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"no data set named 'TNO'; there are .*tno14, .*\.yaml"):
        load_manifest("TNO")


def test_a_path_without_a_manifest_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no manifest can be read from .*gone\.yaml"):
        load_manifest(tmp_path / "gone.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match=r"no manifest can be read from .*odd\.yaml"):
        load_manifest(tmp_path / "odd.yaml")
