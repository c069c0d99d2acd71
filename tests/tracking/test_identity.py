"""Which runs may be compared, and what tells them apart."""

import hashlib
import json

from fusionlab.tracking.identity import data_name, identify, short

from .conftest import STATIC, TTD, summary


def test_static_and_dynamic_runs_on_the_same_images_pair_up():
    static, dynamic = identify(summary({"static": STATIC})), identify(summary({"ttd": TTD}))
    assert static.group == dynamic.group
    content = [["mff", ["1", "2"], None], ["vif", ["1"], None]]
    assert static.group == f"set-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]}"
    assert (static.name, dynamic.name) == ("ifcnn-set", "ifcnn-ttd-set")
    assert static.tags == ("mff", "vif", "baseline", "metrics ttd")
    assert dynamic.tags == ("mff", "vif", "ttd", "metrics ttd")


def test_other_images_another_order_or_another_manifest_are_another_group():
    groups = set()
    for changed in ({}, {"ids": ["2", "1"]}, {"ids": ["1"]}, {"manifest": {"sha256": "1"}}):
        about = summary({"static": STATIC})
        about["data"] = [{**about["data"][0], **changed}]
        groups.add(identify(about).group)
    assert len(groups) == 4


def test_the_config_is_complete_and_flat():
    about = summary({"static": STATIC})
    config = identify(about).config
    assert not any(isinstance(value, dict) and value for value in config.values())
    expected = {
        "seed": 3,
        "metrics.preset": "ttd",
        "used.options.rule": "max",
        "checkpoint.sha256": "ab12",
        "images.mff.source_names": ["near", "far", "middle"],
        "images.mff.count": 2,
        "versions.torch": "2",
        "commit": "c0ffee",
    }
    assert expected.items() <= config.items()


def test_a_metric_by_name_is_a_tag():
    about = summary({"static": STATIC})
    about["settings"]["metrics"]["names"] = ["EN", "EI:mefb"]
    assert identify(about).tags[-2:] == ("metrics EN", "metrics EI:mefb")


def test_the_name_of_data_is_what_several_share_in_letters_that_a_server_takes():
    tasks = [{"name": f"built-in {task} scenes"} for task in ("vif", "mff")]
    assert data_name(tasks) == "built-in-scenes"
    assert data_name([{"name": "my/set: 1"}]) == "my-set-1"
    assert data_name([{"name": "数据"}]) == "data"  # W&B takes ASCII only


def test_a_long_name_is_shortened_and_stays_its_own():
    assert short("a" * 120) == "a" * 120
    one, other = short("ä" * 120), short("ä" * 119 + "b")
    assert one != other
    assert len(one.encode()) <= 120
