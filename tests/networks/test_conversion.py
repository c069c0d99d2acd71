"""``fusionlab networks convert``."""

import pytest
import torch

from fusionlab.cli.networks import main
from fusionlab.networks import (
    NETWORKS,
    FusionNetwork,
    create_network,
    list_networks,
    save_checkpoint,
)
from fusionlab.networks.checkpoints import read_checkpoint

MUFUSION = (
    "ir_vis_TNO",
    "ir_vis_RoadScene",
    "medical_harvard",
    "multi-exposure_Final",
    "multi-focus_Final",
)
FILES = {  # below shared/
    "weights/ifcnn/IFCNN-SUM.pth": ("ifcnn", {"rule": "sum", "normalize": "none"}),
    "weights/densefuse/densefuse_gray.model": ("densefuse", {"channels_in": 1, "rule": "mean"}),
    "weights/densefuse/densefuse_rgb.model": ("densefuse", {"channels_in": 3, "rule": "mean"}),
    "weights/u2fusion/model.ckpt.data-00000-of-00001": (
        "u2fusion",
        {"version": "authors", "width": 44},
    ),
    "weights/u2fusion/model.pth": ("u2fusion", {"version": "port", "width": 44}),
    "weights/deepfuse/DF_model_Epoch99.npz": ("deepfuse", {"version": "authors"}),
    "weights/pmgi/IR_VI_CGAN.model-1.data-00000-of-00001": ("pmgi", {"norm": "recreated"}),
    "weights/sesf/lp+lssim_se_sf_net_times30.pkl": ("sesf", {}),
    "weights/gacn/GACN.pkl": ("gacn", {"rule": "calibrated"}),
    **{
        f"weights/pmgi/{name}.data-00000-of-00001": ("pmgi", {"norm": "recreated"})
        for name in ("Medical_CGAN.model-29", "Multi-exp_CGAN.model-9", "Multi-focus_CGAN.model-1")
    },
    **{f"weights/mufusion/{name}.model": ("mufusion", {}) for name in MUFUSION},
    "weights/deepfuse/hli1221_deepfuse_model_bs2_epoch4_all.npz": ("deepfuse", {"version": "li"}),
    "reference/networks/cddfuse_random.pth": ("cddfuse", {"residual": "first"}),
    "reference/networks/piafusion_random.pth": ("piafusion", {}),
}


def is_the_same(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.fixture
def refused(capsys):
    """Why the command ends: one line, with exit code 2."""

    def run(*argv):
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, argv)))
        assert ended.value.code == 2
        output = capsys.readouterr()
        assert output.out == ""
        lines = output.err.splitlines()
        assert lines[-1].startswith("fusionlab networks")
        assert "Traceback" not in output.err
        return lines[-1]

    return run


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, marks=pytest.mark.slow if file.endswith("_random.pth") else ())
        for file in FILES
    ],
)
def test_a_published_file_becomes_ours(file, shared, tmp_path, capsys):
    name, options = FILES[file]
    target = tmp_path / "ours.safetensors"
    main(["convert", str(shared / file), str(target)])
    stated = "".join(f", {key}={value}" for key, value in options.items())
    assert capsys.readouterr().out == f"{target}: {name}{stated}\n"
    ours = create_network(name, target)
    assert ours.options == options
    assert is_the_same(ours, create_network(name, shared / file))
    assert [path.name for path in tmp_path.iterdir()] == ["ours.safetensors"]


LARGE = ("ddfm", "tcmoa")  # hundreds of millions of parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, one in NETWORKS.items() if one.trainable and name not in LARGE]
)
def test_the_network_is_the_one_that_fits(name, lively, tmp_path):
    network = lively(name)
    torch.save(network.state_dict(), tmp_path / "a.pth")
    main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "b.safetensors")])
    assert read_checkpoint(tmp_path / "b.safetensors").network == name
    assert is_the_same(create_network(name, tmp_path / "b.safetensors"), network)


def test_options_and_network_may_be_given(lively, tmp_path):
    torch.save(lively("densefuse", channels_in=3).state_dict(), tmp_path / "a.pth")
    target = tmp_path / "b.safetensors"
    options = ["--option", "channels_in=3", "--option", "rule=l1"]
    main(["convert", str(tmp_path / "a.pth"), str(target), "--network", "densefuse", *options])
    assert create_network("densefuse", target).options == {"channels_in": 3, "rule": "l1"}


@pytest.mark.slow
def test_what_fits_no_network_as_it_stands(lively, tmp_path, refused):
    torch.save(lively("densefuse", channels_in=3).state_dict(), tmp_path / "a.pth")
    line = refused("convert", tmp_path / "a.pth", tmp_path / "b.safetensors")
    known = ", ".join(name for name in list_networks() if NETWORKS[name].trainable)
    assert f"must fit one network of {known}, fits none" in line
    assert "--network" in line
    line = refused(
        "convert", tmp_path / "a.pth", tmp_path / "b.safetensors", "--network", "densefuse"
    )
    assert "does not fit DenseFuse (of another shape: " in line
    assert not (tmp_path / "b.safetensors").exists()


class Huge(FusionNetwork):
    """More than any memory holds."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(10**9, 10**6))


@pytest.mark.slow
def test_no_network_is_built_to_find_that_it_does_not_fit(tmp_path, refused, monkeypatch):
    monkeypatch.setitem(NETWORKS, "huge", Huge)
    torch.save({"bias": torch.zeros(1)}, tmp_path / "a.pth")
    line = refused("convert", tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert "does not fit Huge (missing: weight; surplus: bias)" in line


@pytest.mark.slow
def test_what_fits_two_networks(lively, tmp_path, refused, monkeypatch):
    monkeypatch.setitem(NETWORKS, "twin", NETWORKS["ifcnn"])
    torch.save(lively("ifcnn").state_dict(), tmp_path / "a.pth")
    line = refused("convert", tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert "fits ifcnn, twin; say which with --network" in line


def test_an_existing_file_is_left_alone(lively, tmp_path, refused):
    save_checkpoint(lively("ifcnn"), tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_text("dear")
    line = refused("convert", tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert "b.safetensors exists; remove it or choose another name" in line
    assert (tmp_path / "b.safetensors").read_text() == "dear"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("convrt", "a.pth"), "no command 'convrt'; there are list, table, convert"),
        (("convert", "a.pth"), "missing: target"),
        (("convert", "a.pth", "b.pth"), "b.pth must end in .safetensors"),
        (("convert", "nowhere.pth", "b.safetensors"), "no checkpoint at nowhere.pth"),
        (("convert", "hf://owner", "b.safetensors"), "write hf://owner/name/file"),
        (
            ("convert", "bundled", "nowhere/b.safetensors", "--network", "ifcnn"),
            "b.safetensors cannot be written (No such file or directory)",
        ),
        (("convert", "a", "b.safetensors", "--network", "ifccn"), "unknown network 'ifccn'"),
        (("convert", "a", "b", "--option", "rule"), "must be KEY=VALUE, got 'rule'"),
        (
            ("convert", "bundled", "b.safetensors", "--network", "ifcnn", "--option", "rul=max"),
            "network 'ifcnn' has no option 'rul'",
        ),
        (
            ("convert", "bundled", "b.safetensors", "--option", "name=ifcnn"),
            "name is no option of a network; give the network with --network",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(argv, expected, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert expected in refused(*argv)
    assert list(tmp_path.iterdir()) == []
