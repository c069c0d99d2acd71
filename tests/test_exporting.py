"""Networks as files for other programs, and what is refused."""

import json

import onnx
import pytest
import torch
from onnxruntime import InferenceSession

from fusionlab.cli.networks import main
from fusionlab.errors import InputError
from fusionlab.exporting import FACTS, OPSET, export_network
from fusionlab.networks import create_network
from fusionlab.networks.pixelwise import Average
from fusionlab.settings import TTD
from fusionlab.ttd import TestTimeDynamicFusion


@pytest.fixture(scope="module")
def densefuse():
    torch.manual_seed(0)
    return create_network("densefuse").eval()


@pytest.mark.slow
def test_onnx_with_ttd_is_the_network_at_any_size(tmp_path, densefuse):
    made = export_network(densefuse, tmp_path / "a.onnx", ttd=TTD("authors"))
    assert max(made.differences.values()) < 1e-5
    assert all(side % 2 for side in made.sizes[0])
    model = onnx.load(made.path)
    assert [one.version for one in model.opset_import if not one.domain] == [OPSET]
    shapes = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "sources": [1, 2, 1, "height", "width"],
        "fused": [1, 1, "height", "width"],
        "rd": [1, 2, 1, "height", "width"],
    }
    facts = {one.key: one.value for one in model.metadata_props}
    assert facts["network"] == "densefuse"
    assert json.loads(facts["ttd"])["temperature"] == 50
    session = InferenceSession(made.path, providers=["CPUExecutionProvider"])
    dynamic = TestTimeDynamicFusion(densefuse, "authors")
    for size in ((9, 8), (31, 64)):
        sources = torch.rand(1, 2, 1, *size)
        fused, rd = session.run(None, {"sources": sources.numpy()})
        with torch.no_grad():
            found = dynamic(sources)
        assert torch.allclose(torch.from_numpy(fused), found.fused.clamp(0, 1), atol=1e-5)
        assert torch.allclose(torch.from_numpy(rd), found.rd, atol=1e-5)


@pytest.mark.slow
def test_a_program_of_torch_export_is_the_network(tmp_path, densefuse):
    made = export_network(densefuse, tmp_path / "a.pt2", sources=3)
    assert made.differences == {"fused": 0}
    facts = {FACTS: ""}
    program = torch.export.load(made.path, extra_files=facts)
    assert json.loads(facts[FACTS])["outputs"] == "fused"
    sources = torch.rand(1, 3, 1, 21, 40)
    with torch.no_grad():
        (fused,) = program.module()(sources)
        assert torch.equal(fused, densefuse(sources).clamp(0, 1))


@pytest.mark.slow
def test_the_command_says_how_near_the_file_is(tmp_path, capsys):
    main(["export", "ifcnn", str(tmp_path / "a.onnx"), "--ttd", "paper", "--options.rule", "max"])
    said = capsys.readouterr().out
    assert f"ONNX opset {OPSET}" in said
    assert "largest difference of rd at 35x21 and 16x32 pixels: " in said
    session = InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    network = create_network("ifcnn", "bundled")
    sources = torch.rand(1, 2, 1, 17, 9)
    with torch.no_grad():
        expected = TestTimeDynamicFusion(network)(sources).fused.clamp(0, 1)
    fused = torch.from_numpy(session.run(["fused"], {"sources": sources.numpy()})[0])
    assert torch.allclose(fused, expected, atol=1e-5)


def test_safetensors_hold_the_weights(tmp_path, capsys):
    main(["export", "ifcnn", str(tmp_path / "a.safetensors")])
    assert "weights sha256: " in capsys.readouterr().out
    again = create_network("ifcnn", tmp_path / "a.safetensors").state_dict()
    assert all(
        map(torch.equal, again.values(), create_network("ifcnn", "bundled").state_dict().values())
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.bin"], "must end in .onnx, .pt2 or .safetensors"),
        (["a.safetensors", "--ttd"], "holds weights, no TTD"),
        (["a.onnx", "--ttd.basis", "gradient"], "ttd.basis gradient needs gradients"),
        (["a.onnx", "--ttd", "structure"], "ttd.temperature auto is chosen on data"),
        (["a.onnx", "--channels", "2"], "ifcnn takes 1 or 3 channels, got 2"),
        (["a.onnx", "--sources", "0"], "sources must be at least 1"),
        (["no/such/folder/a.safetensors"], "cannot be written"),
    ],
)
def test_refusals_are_one_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["export", "ifcnn", *words])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert said in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("laplacian", "more levels the larger the image is.* --options.levels 4"),
        ("exposure_fusion", "more levels the larger the image is"),
        ("mufusion", "tiles of 128 pixels, as many as an image needs"),
    ],
)
def test_what_has_no_graph_is_refused(tmp_path, name, why):
    with pytest.raises(InputError, match=f"{name} cannot be exported for any .*{why}"):
        export_network(create_network(name), tmp_path / "a.pt2")
    assert not list(tmp_path.iterdir())


class OfOneSize(Average):
    """Its arithmetic takes a size for a constant, as ``int`` of a product does."""

    def decode(self, combined, sources):
        return combined * int(combined.shape[3] * 0.5)


def test_a_graph_that_is_another_network_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"on another size it is \S+ off"):
        export_network(OfOneSize(), tmp_path / "a.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("laplacian", {"levels": 1}),  # halves
        ("swinfuse", {"tile": 14, "dim": 8}),  # tiles
    ],
)
def test_what_pads_and_halves_is_one_graph(tmp_path, name, options):
    torch.manual_seed(0)
    network = create_network(name, **options)
    made = export_network(network, tmp_path / "a.onnx", ttd=TTD("paper"))
    least, channels = int(made.facts["smallest side"]), network.channels[0]
    session = InferenceSession(made.path, providers=["CPUExecutionProvider"])
    dynamic = TestTimeDynamicFusion(network)
    for size in ((least, 3 * least + 1), (64, 40), (71, 49)):  # whole multiples, and odd ones
        sources = torch.rand(1, 2, channels, *size)
        fused, rd = session.run(None, {"sources": sources.numpy()})
        with torch.no_grad():
            found = dynamic(sources)
        assert torch.allclose(torch.from_numpy(fused), found.fused.clamp(0, 1), atol=1e-5)
        assert torch.allclose(torch.from_numpy(rd), found.rd, atol=1e-5)


def test_a_file_that_exists_stays(tmp_path, densefuse):
    (tmp_path / "a.pt2").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        export_network(densefuse, tmp_path / "a.pt2")
    assert (tmp_path / "a.pt2").read_text() == "mine"
