"""Which runs may be compared, what tells them apart, and what their values are called."""

import hashlib
import json

from fusionlab.tracking.identity import data_name, identify, place, short, table_key

from .conftest import ALL, DATA, PAIR, STATIC, summary


def test_static_and_dynamic_runs_on_the_same_images_pair_up():
    static, dynamic = identify(summary(STATIC)), identify(summary(PAIR))
    assert static.group == dynamic.group
    content = [["mff", ["1", "2"], None], ["vif", ["1"], None]]
    assert static.group == f"set-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]}"
    assert (static.name, dynamic.name) == ("ifcnn-set", "ifcnn-ttd-set")
    assert static.tags == ("mff", "vif", "baseline", "metrics ttd")
    assert dynamic.tags == ("mff", "vif", "ttd", "metrics ttd")


def test_the_name_has_every_network_and_without_one_the_folders():
    assert identify(summary(ALL)).name == "ifcnn-densefuse-ttd-set"
    assert identify(summary(("Theirs",))).name == "Theirs-set"
    many = summary(STATIC)
    for k in range(40):
        network = {"name": f"network-{k}", "options": {}, "checkpoint": {}}
        many["methods"].append({**many["methods"][-1], "facts": {"network": network}})
    assert len(identify(many).name.encode()) <= 120  # W&B takes 128


def test_other_images_another_order_or_another_manifest_are_another_group():
    groups = set()
    for changed in ({}, {"ids": ["2", "1"]}, {"ids": ["1"]}, {"manifest": {"sha256": "1"}}):
        about = summary(STATIC)
        about["data"] = [{**about["data"][0], **changed}]
        groups.add(identify(about).group)
    assert len(groups) == 4


def test_the_config_is_complete_and_flat():
    config = identify(summary(ALL)).config
    assert not any(isinstance(value, dict) and value for value in config.values())
    expected = {
        "seed": 3,
        "metrics.preset": "ttd",
        "used.IFCNN.network.options.rule": "max",
        "used.IFCNN.network.checkpoint.sha256": "ab12",
        "used.DenseFuse.network.checkpoint.sha256": "cd34",
        "used.IFCNN+TTD.ttd.loss": "l1",
        "used.Theirs.folder.folder": "/pictures/theirs",
        "images.mff.source_names": ["near", "far", "middle"],
        "images.mff.count": 2,
        "versions.torch": "2",
        "commit": "c0ffee",
    }
    assert expected.items() <= config.items()
    assert not [key for key in config if key.startswith("used.IFCNN+TTD.network")], "said before"
    assert "used.Theirs.folder.missing" not in config, "a list as long as the data"


def test_a_metric_by_name_is_a_tag():
    about = summary(STATIC)
    about["settings"]["metrics"]["names"] = ["EN", "EI:mefb"]
    assert identify(about).tags[-2:] == ("metrics EN", "metrics EI:mefb")


def test_data_sets_of_one_task_are_told_apart():
    assert place(DATA, "mff", "set a") == "mff"
    assert place(DATA, "mff", "set a", "noise 0.1") == "mff/noise 0.1"
    twice = [*DATA, {**DATA[0], "name": "set c"}]
    assert [place(twice, one["task"], one["name"]) for one in twice] == [
        "mff/set a",
        "vif",
        "mff/set c",
    ]
    about = {**summary(STATIC), "data": twice}
    config = identify(about).config
    assert (config["images.mff/set a.name"], config["images.mff/set c.name"]) == ("set a", "set c")


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


def test_the_key_of_a_table_is_short_enough_for_an_artifact():
    assert table_key("evaluate-1", "rd/vif/IFCNN+TTD/loss/ir") == "rd/vif/IFCNN+TTD/loss/ir"
    key = table_key("r" * 64, "rd/vif/" + "m" * 200 + "/loss/ir")
    assert len(f"run-{'r' * 64}-{key}_table-123456") == 128
