"""HoLoCo against its authors' modules: their attention networks, U-Nets by a formula."""

import pytest
import torch

from fusionlab.cli.networks import main
from fusionlab.errors import InputError
from fusionlab.evaluation.weights import find_weights, methods_with_weights
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import load_weights, read_parts
from fusionlab.networks.holoco import HoLoCo
from fusionlab.settings import Method
from fusionlab.ttd import TestTimeDynamicFusion
from tests.networks import references
from tests.networks.formula import drawn_weights, value_checksum

SEEDS = {"G_A": (20231, "bc257ef9"), "G_B": (20232, "d58f1239")}


@pytest.fixture(scope="module")
def folder(shared, tmp_path_factory):
    """Their attention networks, and U-Nets by the formula of the references."""
    found = tmp_path_factory.mktemp("holoco")
    for name in ("A_1", "A_2"):
        (found / f"{name}.pth").symlink_to(shared / "weights" / "holoco" / f"{name}.pth")
    for name, (seed, start) in SEEDS.items():
        state = getattr(HoLoCo(), name).state_dict()
        counters = {key for key in state if key.endswith("num_batches_tracked")}
        shapes = {key: tuple(x.shape) for key, x in state.items() if key not in counters}
        drawn = drawn_weights(shapes, seed)
        assert value_checksum(drawn).startswith(start)
        counts = dict.fromkeys(counters, torch.tensor(0))
        torch.save({**drawn, **counts}, found / f"{name}.pth")
    return found


def loaded(folder, **options) -> HoLoCo:
    network = create_network("holoco", **options)
    load_weights(network, read_parts(folder, HoLoCo.parts, HoLoCo.convert_published))
    return network


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["house", "lamp"])
def test_results_of_the_authors_modules(name, folder, shared):
    expected = references.read(shared / "reference" / "networks" / f"holoco_{name}.npz")
    sources, network = expected["sources"], loaded(folder)
    combined = network.combine(network.encode(sources))
    ours = references.computed(network, sources)
    under, over = sources.unbind(1)
    ours["attention"] = torch.stack([network.A_1(under), network.A_2(over)], 1)
    ours |= {"attended": combined, "static_G_A": network.G_A(combined)}
    ours["static_transposed"] = loaded(folder, transposed=True)(sources)
    alone = create_network("holoco", shared / "weights" / "holoco", unets=False)
    for key, preset in references.PRESETS.items():
        found = TestTimeDynamicFusion(alone, preset, gain="share")(sources)
        ours["attended_components"] = found.components
        ours |= {f"attended_rd_{key}": found.rd, f"attended_ttd_{key}": found.fused}
    swapped = create_network("holoco", shared / "weights" / "holoco", unets=False, transposed=True)
    ours["attended_transposed"] = swapped(sources)
    references.assert_equal(ours, expected, 5e-6)


def test_the_folder_of_the_authors_files(shared, tmp_path):
    path = shared / "weights" / "holoco"
    with pytest.raises(InputError, match=r"missing: G_A\.bn1_1\.bias, .* more\); add the file of"):
        create_network("holoco", path)
    with pytest.raises(InputError, match=r"holds none of A_1\.pth, A_2\.pth, G_A\.pth, G_B\.pth"):
        create_network("holoco", tmp_path)
    with pytest.raises(InputError, match="no checkpoint at"):
        create_network("ifcnn", path)


def test_its_size_is_the_authors():
    """Without the unused layers of the attention networks, 151,808 parameters each."""
    network = HoLoCo()
    counts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()
    }
    assert counts == {"A_1": 57_027, "A_2": 57_027, "G_A": 8_636_675, "G_B": 8_636_675}


@pytest.mark.parametrize("options", [{"unets": 1}, {"transposed": "no"}, {"width": 0}])
def test_unusable_options_are_refused(options):
    with pytest.raises(InputError, match=f"{next(iter(options))} must be"):
        create_network("holoco", **options)


@pytest.mark.slow
def test_the_folder_becomes_one_file(folder, tmp_path, capsys):
    target = tmp_path / "ours.safetensors"
    main(["convert", str(folder), str(target)])
    assert capsys.readouterr().out.startswith(f"{target}: holoco, unets=True")
    ours, theirs = create_network("holoco", target).state_dict(), loaded(folder).state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_attention_networks_alone_are_known(shared, capsys):
    network = create_network("holoco", shared / "weights" / "holoco", unets=False)
    assert capsys.readouterr().err == ""
    assert not network.unets


@pytest.mark.slow
def test_a_table_takes_the_folder_if_it_is_whole(folder, shared):
    found = find_weights([str(folder), str(shared / "weights" / "holoco")], ["holoco"])
    assert [(one.network, one.path) for one in found] == [("holoco", folder)]
    methods, lines = methods_with_weights([Method("holoco")], [str(shared / "weights")], ["mef"])
    assert methods == []
    assert "A_1.pth and A_2.pth with G_A.pth and G_B.pth" in lines[0]
