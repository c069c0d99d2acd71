import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork, create_network, save_checkpoint
from fusionlab.networks.checkpoints import (
    bundled_checkpoint,
    file_sha256,
    read_checkpoint,
    weights_sha256,
)
from fusionlab.networks.ifcnn import IFCNN

SOURCES = torch.linspace(0, 1, 2 * 3 * 5 * 7).view(1, 2, 3, 5, 7)


@pytest.fixture
def network(lively) -> FusionNetwork:
    """With options that are not the defaults."""
    return lively("ifcnn", rule="sum", normalize="imagenet")


@pytest.fixture
def state(network) -> dict[str, Tensor]:
    return network.state_dict()


def is_the_same(loaded: FusionNetwork, network: FusionNetwork) -> bool:
    """Same options, same output bit for bit."""
    return loaded.options == network.options and torch.equal(loaded(SOURCES), network(SOURCES))


def refusal(checkpoint: Path, **options: str) -> str:
    """Why a checkpoint is not loaded: one line that names the file."""
    with pytest.raises(InputError) as refused:
        create_network("ifcnn", checkpoint, **options)
    text = str(refused.value)
    assert str(checkpoint) in text
    assert "\n" not in text
    return text


def test_what_is_saved_comes_back(network, tmp_path):
    path = tmp_path / "ifcnn.safetensors"
    save_checkpoint(network, path)
    loaded = create_network("ifcnn", path)
    assert is_the_same(loaded, network)
    assert not loaded.training
    assert path.stat().st_size < 1_000_000
    assert loaded.checkpoint == {
        "path": str(path),
        "sha256": weights_sha256(network.state_dict()),
    }
    save_checkpoint(loaded, tmp_path / "again.safetensors")
    assert is_the_same(create_network("ifcnn", tmp_path / "again.safetensors"), network)


def test_a_saved_checkpoint_says_what_it_is_to_any_reader(network, tmp_path):
    save_checkpoint(network, tmp_path / "ifcnn.safetensors")
    with safe_open(tmp_path / "ifcnn.safetensors", framework="pt") as file:
        metadata = file.metadata()
        assert set(file.keys()) == set(network.state_dict())
    assert metadata["network"] == "ifcnn"
    assert json.loads(metadata["options"]) == {"rule": "sum", "normalize": "imagenet"}


def test_a_given_option_wins_over_the_file(network, tmp_path):
    save_checkpoint(network, tmp_path / "ifcnn.safetensors")
    loaded = create_network("ifcnn", tmp_path / "ifcnn.safetensors", rule="mean")
    assert loaded.options == {"rule": "mean", "normalize": "imagenet"}
    expected = create_network("ifcnn", rule="mean", normalize="imagenet")
    expected.load_state_dict(network.state_dict())
    assert torch.equal(loaded(SOURCES), expected(SOURCES))


@pytest.mark.parametrize("rule", ["max", "sum", "mean"])
def test_the_authors_files_load_as_published(rule, shared, tmp_path):
    published = shared / "weights" / "ifcnn" / f"IFCNN-{rule.upper()}.pth"
    path = tmp_path / "weights.pth"  # known by its content, not by its name
    path.write_bytes(published.read_bytes())
    weights = torch.load(published, map_location="cpu", weights_only=True)
    loaded = create_network("ifcnn", path)
    assert loaded.options == {"rule": rule, "normalize": "none"}
    counters = {"conv2.bn.num_batches_tracked", "conv3.bn.num_batches_tracked"}  # not published
    assert loaded.state_dict().keys() == {*weights, *counters}
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in weights.items())


def test_a_given_rule_wins_over_the_published_one(shared):
    path = shared / "weights" / "ifcnn" / "IFCNN-MEAN.pth"
    assert create_network("ifcnn", path, normalize="imagenet").rule == "mean"
    chosen = create_network("ifcnn", path, rule="max")
    assert chosen.options["rule"] == "max"
    expected = create_network("ifcnn", rule="max")
    expected.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    assert torch.equal(chosen(SOURCES), expected(SOURCES))


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: prefixed("module.", state),
        lambda state: prefixed("network.", state),
        lambda state: prefixed("module.network.", state),
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": prefixed("module.", state), "optimizer": {"lr": 0.1}},
        lambda state: {"state_dict": {"model": state}},
        lambda state: {"hyper_parameters": {"lr": 0.1}, "state_dict": state},
        lambda state: {"hyper_parameters": None, "state_dict": state},
    ],
    ids=["bare", "module", "network", "both", "state_dict", "model", "nested", "lightning", "none"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_found_in_what_people_wrap_around_them(wrap, zipped, network, tmp_path):
    path = tmp_path / "ifcnn.pth"
    torch.save(wrap(network.state_dict()), path, _use_new_zipfile_serialization=zipped)
    assert is_the_same(create_network("ifcnn", path, **network.options), network)


def training_checkpoint(network: FusionNetwork, path: Path, name: str = "ifcnn") -> Path:
    """What a training of ours leaves, with weights of its objective beside the network's."""
    hyper_parameters = {"network": name, "options": network.options, "fusionlab": "0.1.0"}
    weights = {
        "objective.window": torch.ones(3),
        **prefixed("network.", network.state_dict()),
    }
    torch.save({"epoch": 1, "hyper_parameters": hyper_parameters, "state_dict": weights}, path)
    return path


def test_a_training_checkpoint_states_its_options(network, tmp_path):
    path = training_checkpoint(network, tmp_path / "last.ckpt")
    assert is_the_same(create_network("ifcnn", path), network)
    assert create_network("ifcnn", path, rule="max").options["rule"] == "max"


def test_batch_norms_from_before_they_counted_batches_load(network, state, tmp_path):
    kept = {key: value for key, value in state.items() if "num_batches_tracked" not in key}
    torch.save(kept, tmp_path / "old.pth")
    assert len(kept) == len(state) - 2
    assert is_the_same(create_network("ifcnn", tmp_path / "old.pth", **network.options), network)


@pytest.mark.parametrize("name", ["nowhere.pth", "nowhere.safetensors", "."])
def test_no_such_file(name, tmp_path):
    text = refusal(tmp_path / name)
    assert text.startswith("no checkpoint at ")
    assert "network.checkpoint" in text


def test_the_bundled_checkpoint_loads_with_its_options():
    bundled = create_network("ifcnn", "bundled")
    path = bundled_checkpoint("ifcnn")
    sha256 = weights_sha256(load_file(path))
    assert bundled.checkpoint == {"path": "bundled", "sha256": sha256}
    stored = read_checkpoint(path)
    assert stored.options == bundled.options
    assert torch.equal(bundled.conv1.weight, stored.state["conv1.weight"])
    assert path.stat().st_size < 1_000_000


def test_nothing_is_bundled_for_a_network_that_is_not_ours():
    with pytest.raises(InputError, match=r"no checkpoint of mynet is bundled; .*network\.checkp"):
        bundled_checkpoint("mynet")


@pytest.mark.parametrize("name", ["text.pth", "text.safetensors"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "conv1.weight 0.1 0.2\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:6022b4\nsize 337094\n",
        "<!DOCTYPE html><html><body>404</body></html>\n",
        "0.25 0.5\n",
        "... the weights are on the other disk\n",
    ],
    ids=["empty", "words", "git-lfs", "html", "numbers", "dots"],
)
def test_a_text_file_is_no_checkpoint(text, name, tmp_path):
    (tmp_path / name).write_text(text)
    assert "get it again" in refusal(tmp_path / name)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_whatever_byte_a_file_begins_with(tmp_path):
    """Each is an instruction to the unpickler, and each fails in its own way."""
    path = tmp_path / "noise.pth"
    for first in range(256):
        path.write_bytes(bytes([first]) + b"....")
        assert "get it again" in refusal(path)


@pytest.mark.parametrize("form", ["zip.pth", "legacy.pth", "ours.safetensors"])
def test_a_truncated_file_is_no_checkpoint(form, network, state, tmp_path):
    path = tmp_path / form
    if form == "ours.safetensors":
        save_checkpoint(network, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip.pth")
    whole = path.read_bytes()
    for length in [*range(0, 2000, 7), *range(2000, len(whole), 19_997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert "get it again" in refusal(path)


def spring(path: Path) -> None:
    """What a malicious file would do."""
    path.touch()


class Trap:
    """Calls ``spring`` when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return spring, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["torch", "torch legacy", "pickle"])
def test_code_in_a_file_does_not_run(form, state, tmp_path):
    path, sprung = tmp_path / "trap.pth", tmp_path / "sprung"
    content = {"state_dict": state, "config": Trap(sprung)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    assert "so it is not opened; save its state_dict" in refusal(path)
    assert not sprung.exists()
    if form == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert sprung.exists(), "the trap is no trap, so the test shows nothing"


def test_a_pickled_module_is_not_opened(network, tmp_path):
    torch.save(network, tmp_path / "module.pth")
    text = refusal(tmp_path / "module.pth")
    assert "holds more than weights" in text
    assert "save its state_dict" in text


@pytest.mark.parametrize(
    "content",
    [torch.zeros(2), [torch.zeros(2)], {"state_dict": {"epoch": 3}}, {0: torch.zeros(2)}],
    ids=["tensor", "list", "numbers", "numbered"],
)
def test_a_file_without_a_state_dict(content, tmp_path):
    torch.save(content, tmp_path / "other.pth")
    text = refusal(tmp_path / "other.pth")
    assert "holds no state dict; save one with torch.save(network.state_dict())" in text


def write(state: dict[str, Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.fixture(params=["weights.pth", "weights.safetensors"])
def path(request, tmp_path) -> Path:
    """Where a checkpoint is written, in either form."""
    return tmp_path / request.param


def test_a_missing_key_is_named(state, path):
    del state["conv4.bias"]
    text = refusal(write(state, path))
    assert "does not fit IFCNN (missing: conv4.bias); " in text
    assert "check network.name and network.options" in text


def test_a_surplus_key_is_named(state, path):
    state["conv5.weight"] = torch.zeros(3)
    assert "does not fit IFCNN (surplus: conv5.weight); check" in refusal(write(state, path))


def test_another_shape_is_named(state, path):
    state["conv4.weight"] = torch.zeros(1, 64, 1, 1)
    text = refusal(write(state, path))
    assert "does not fit IFCNN (of another shape: conv4.weight); check" in text


def test_all_faults_are_named_at_once_but_not_every_key(state, path):
    others = {f"layer{k}.weight": torch.zeros(1) for k in range(6)}
    text = refusal(write({"conv4.weight": state["conv4.weight"], **others}, path))
    assert "missing: conv1.weight, conv2.bn.bias, " in text
    assert "surplus: layer0.weight, layer1.weight, layer2.weight, layer3.weight and 2 more" in text


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_no_numbers_are_refused(value, state, path):
    state["conv2.bn.running_var"][5] = value
    text = refusal(write(state, path))
    assert "conv2.bn.running_var holds NaN or infinity; " in text
    assert "get a sound copy" in text


def test_a_checkpoint_of_another_network(network, tmp_path):
    path = tmp_path / "densefuse.safetensors"
    save_file(network.state_dict(), path, metadata={"network": "densefuse", "options": "{}"})
    assert "holds densefuse, not ifcnn; set network.name to it" in refusal(path)
    path = training_checkpoint(network, tmp_path / "last.ckpt", name="densefuse")
    assert "holds densefuse, not ifcnn; set network.name to it" in refusal(path)


def test_options_in_a_file_are_checked_like_others(network, tmp_path):
    path = tmp_path / "ifcnn.safetensors"
    for options, reason in (
        ({"rule": "median"}, "rule must be one of max, sum, mean, got 'median'"),
        ({"width": 3}, "network 'ifcnn' has no option 'width'; it takes rule, normalize"),
    ):
        metadata = {"network": "ifcnn", "options": json.dumps(options)}
        save_file(network.state_dict(), path, metadata=metadata)
        with pytest.raises(InputError, match=reason):
            create_network("ifcnn", path)


def test_options_that_are_no_json(network, tmp_path):
    path = tmp_path / "ifcnn.safetensors"
    save_file(network.state_dict(), path, metadata={"network": "ifcnn", "options": "{rule"})
    assert "get it again" in refusal(path)


def test_reading_alone_says_whose_weights_they_are(network, tmp_path):
    save_checkpoint(network, tmp_path / "ifcnn.safetensors")
    checkpoint = read_checkpoint(tmp_path / "ifcnn.safetensors")
    assert checkpoint.network == "ifcnn"
    assert checkpoint.options == network.options
    torch.save(network.state_dict(), tmp_path / "ifcnn.pth")
    assert read_checkpoint(tmp_path / "ifcnn.pth").network is None


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda state: state["conv4.bias"].to_sparse(), "no dense real tensor"),
        (lambda state: state["conv4.bias"].to(torch.complex64), "no dense real tensor"),
    ],
)
def test_weights_of_another_kind_are_refused(spoil, expected, tmp_path):
    state = create_network("ifcnn").state_dict()
    state["conv4.bias"] = spoil(state)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(InputError, match=expected) as error:
        create_network("ifcnn", tmp_path / "odd.pth")
    assert "conv4.bias" in str(error.value)


@pytest.mark.parametrize("options", ["[1]", "3"])
def test_options_that_are_no_mapping_are_refused(options, tmp_path):
    network = create_network("ifcnn")
    path = tmp_path / "odd.safetensors"
    save_file(network.state_dict(), path, metadata={"network": "ifcnn", "options": options})
    with pytest.raises(InputError, match="no mapping"):
        create_network("ifcnn", path)


def test_a_training_checkpoint_without_weights_is_refused(tmp_path):
    torch.save({"hyper_parameters": {"fusionlab": "0", "network": "ifcnn"}}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="missing"):
        create_network("ifcnn", tmp_path / "a.ckpt")


def test_a_network_without_a_name_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="create_network"):
        save_checkpoint(IFCNN(), tmp_path / "a.safetensors")


WRAPPED = {
    "compiled": lambda state, network: {f"_orig_mod.{k}": v for k, v in state.items()},
    "DDP, compiled": lambda state, network: {f"module._orig_mod.{k}": v for k, v in state.items()},
    "AveragedModel": lambda state, network: AveragedModel(network).state_dict(),
    "a module's model": lambda state, network: {f"model.{k}": v for k, v in state.items()},
}


@pytest.mark.parametrize("container", ["pth", "ckpt", "nested", "safetensors"])
@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrapped_weights_load_from_every_container(wrapper, container, network, tmp_path, capsys):
    state = WRAPPED[wrapper](network.state_dict(), network)
    path = tmp_path / f"x.{container.replace('nested', 'pth')}"
    if container == "safetensors":
        save_file(state, path)
    else:
        shapes = {"pth": state, "ckpt": {"state_dict": state}}
        torch.save(shapes.get(container, {"model": {"state_dict": state}}), path)
    loaded = create_network("ifcnn", path, **network.options)
    assert is_the_same(loaded, network)
    assert loaded.checkpoint["sha256"] == weights_sha256(network.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [torch.compile, torch.nn.DataParallel, AveragedModel])
def test_a_wrapped_network_is_saved_as_the_network(wrap, network, tmp_path):
    save_checkpoint(wrap(network), tmp_path / "x.safetensors")
    assert is_the_same(create_network("ifcnn", tmp_path / "x.safetensors"), network)


def test_the_same_weights_make_the_same_file(network, tmp_path):
    hashes = set()
    for _ in range(8):
        save_checkpoint(network, tmp_path / "x.safetensors")
        hashes.add(file_sha256(tmp_path / "x.safetensors"))
    assert len(hashes) == 1


def test_the_hash_of_weights_is_that_of_names_types_shapes_and_values():
    state = {"a": torch.arange(6.0).view(2, 3), "b": torch.zeros(())}
    same = {"b": torch.zeros(()), "a": state["a"].T.contiguous().T}  # other order, other strides
    assert weights_sha256(state) == weights_sha256(same)
    for other in (
        {**state, "a": torch.arange(6.0).view(3, 2)},
        {**state, "a": state["a"].double()},
        {"c": state["a"], "b": state["b"]},
        {**state, "b": torch.ones(())},
    ):
        assert weights_sha256(other) != weights_sha256(state)
