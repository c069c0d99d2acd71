"""GACN against its authors' modules."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.networks import create_network
from fusionlab.networks.base import share_gain
from fusionlab.networks.gacn import GACN, index_of, refined
from fusionlab.ttd import TestTimeDynamicFusion
from tests.conftest import bound, write_pairs
from tests.networks import references

NAMES = ["lytro01", "odd"]


@pytest.fixture(scope="module")
def published(shared) -> GACN:
    return create_network("gacn", shared / "weights" / "gacn" / "GACN.pkl")


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_decision_map_and_picture(name, published, shared):
    """Sigmoids of slope 1000 follow one another: by rounding, few pixels of the decision differ.

    Another instruction set of the processor changes the decision by 6e-3, the picture by 1e-5.
    """
    expected = references.read(shared / "reference" / "networks" / f"gacn_{name}.npz")
    sources, rd = expected["sources"], expected["weights"]
    first, second = sources.unbind(1)
    gains = {"static": None, "weighted": share_gain(rd)}
    gains["weighted_largest"] = rd / rd.amax(1, keepdim=True)
    for key, gain in gains.items():
        combined = published.combine(published.encode(sources), gain)
        decision, beginning = published.decision(*combined), "" if key == "static" else f"{key}_"
        off = (decision - expected[f"{beginning}decision"]).abs()
        assert off.mean() < bound(1e-6, 1.5e-6)
        assert off.max() < 2e-2
        if key != "weighted_largest":
            off = (refined(decision, first, second) - expected[f"{beginning}map"]).abs()
            assert off.mean() < bound(1e-6, 1.5e-6)
            assert off.max() < 5e-4
        fused = published.decode(combined, sources)
        torch.testing.assert_close(fused, expected[key], rtol=0, atol=2e-5)
    torch.testing.assert_close(published(sources), expected["static"], rtol=0, atol=2e-5)
    torch.testing.assert_close(published(sources, rd), expected["weighted"], rtol=0, atol=2e-5)


@pytest.mark.slow
@torch.no_grad()
def test_three_sources(published, shared):
    expected = references.read(shared / "reference" / "networks" / "gacn_triple.npz")
    sources = expected["sources"]
    combined = published.combine(published.encode(sources))
    maps = torch.stack([published.weights(combined, sources, m) for m in (1, 2)], 1)
    torch.testing.assert_close(maps, expected["maps"], rtol=0, atol=bound(5e-4, 2e-3))  # as above
    assert torch.equal(index_of(maps).float(), expected["index"])
    torch.testing.assert_close(published(sources), expected["static_calibrated"], rtol=0, atol=1e-6)
    serial = create_network("gacn", rule="serial")
    serial.load_state_dict(published.state_dict())
    torch.testing.assert_close(
        serial(sources), expected["static_serial"], rtol=0, atol=bound(1e-4, 1e-2)
    )


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_ttd_does_nothing(preset, published, shared):
    file = shared / "reference" / "networks" / "gacn_triple.npz"
    sources = references.read(file)["sources"][..., :40, :50]
    with torch.no_grad():
        found = TestTimeDynamicFusion(published, preset)(sources)
        assert torch.equal(found.fused, published(sources))
    assert torch.equal(found.components, sources)


@pytest.mark.slow
def test_an_evaluation_says_in_a_line_that_ttd_does_nothing(shared, tmp_path, run_evaluate, capsys):
    data = write_pairs(tmp_path / "data", names=("01",), sources=("near", "far"), size=(16, 16))
    checkpoint = shared / "weights" / "gacn" / "GACN.pkl"
    network = ["--network.name", "gacn", "--network.checkpoint", checkpoint]
    run_evaluate("--data.root", data, *network, "--ttd.preset", "paper")
    printed = " ".join(capsys.readouterr().out.split())
    assert "RD is uniform and TTD changes nothing" in printed


def test_the_file_is_known_and_must_be_whole(shared, tmp_path, capsys):
    path = shared / "weights" / "gacn" / "GACN.pkl"
    create_network("gacn", path)
    assert capsys.readouterr().err == ""
    state = torch.load(path, weights_only=True, map_location="cpu")
    state["se_9.fc.0.weight"] = state.pop("se_8.fc.0.weight")
    torch.save(state, tmp_path / "other.pkl")
    text = r"missing: se_8\.fc\.0\.weight; surplus: se_9\.fc\.0\.weight"
    with pytest.raises(InputError, match=text):
        create_network("gacn", tmp_path / "other.pkl")


def test_its_size_is_the_authors():
    assert sum(p.numel() for p in GACN().parameters()) == 68_820


def test_an_unknown_rule_is_refused():
    with pytest.raises(InputError, match="rule must be one of calibrated, serial, got 'best'"):
        create_network("gacn", rule="best")


def test_the_best_of_three_by_hand():
    """0.6 to 0.4 of the second; 0.2 to 0.8 of the third, which is 2.4 in the scale of the first."""
    maps = torch.tensor([[0.6, 0.2], [0.3, 0.9], [0.8, 0.9]]).view(3, 2, 1, 1, 1)
    assert index_of(maps).flatten().tolist() == [2, 1, 0]


def test_without_a_component_to_improve_gradients_are_refused():
    """Each source alone comes back as it is, whatever the features."""
    dynamic = TestTimeDynamicFusion(create_network("gacn"), basis="gradient")
    with pytest.raises(InputError, match=r"set ttd\.compare to fused, or ttd\.basis to loss"):
        dynamic(torch.rand(1, 2, 1, 16, 16))
