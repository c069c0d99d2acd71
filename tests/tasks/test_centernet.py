"""Graph models of TensorFlow.js run by torch, by values by hand; and CenterNet on real pairs."""

import base64
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.settings import Data
from fusionlab.tasks.centernet import COCO, POINTS, SIDE, SIZES, decoded
from fusionlab.tasks.detection import detect
from fusionlab.tasks.opening import open_detector
from fusionlab.tasks.tfjs import GraphModel


def node(name, kind, inputs=(), **attributes):
    return {"name": name, "op": kind, "input": list(inputs), "attr": attributes}


def strides(*numbers):
    return {"list": {"i": [str(number) for number in numbers]}}


def write_model(folder: Path, nodes: list[dict], constants: dict[str, np.ndarray]) -> Path:
    """A graph model whose floats are stored as float16, integers as int32."""
    data, weights = b"", []
    for name, value in constants.items():
        nodes = [*nodes, node(name, "Const")]
        one = {"name": name, "shape": list(value.shape), "dtype": "int32"}
        if value.dtype.kind == "f":
            one |= {"dtype": "float32", "quantization": {"dtype": "float16"}}
            value = value.astype(np.float16)
        data += value.astype(value.dtype if value.dtype.kind == "f" else np.int32).tobytes()
        weights.append(one)
    manifest = [{"paths": ["model.bin"], "weights": weights}]
    content = {"modelTopology": {"node": nodes}, "weightsManifest": manifest}
    (folder / "model.json").write_text(json.dumps(content))
    (folder / "model.bin").write_bytes(data)
    return folder / "model.json"


def fused(*names):
    return {"list": {"s": [base64.b64encode(name.encode()).decode() for name in names]}}


def test_strided_convolution_pads_right_and_below(tmp_path):
    kernel, bias = np.ones((3, 3, 1, 1)), np.array([-30.0])
    nodes = [
        node("image", "Placeholder"),
        node(
            "out",
            "_FusedConv2D",
            ("image", "kernel", "bias"),
            strides=strides(1, 2, 2, 1),
            fused_ops=fused("BiasAdd", "Relu"),
        ),
    ]
    model = GraphModel(write_model(tmp_path, nodes, {"kernel": kernel, "bias": bias}))
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    (out,) = model(image, ["out"])
    # 0+1+2+4+5+6+8+9+10 = 45; 2+3+6+7+10+11 = 39; 8+9+10+12+13+14 = 66; 10+11+14+15 = 50
    assert out.tolist() == [[[[15, 9], [36, 20]]]]


def test_depthwise_convolution_keeps_channels_apart(tmp_path):
    kernel = np.zeros((3, 3, 2, 1))
    kernel[1, 1, 0], kernel[1, 2, 1] = 2, 1  # twice the pixel; its neighbour at the right
    nodes = [
        node("image", "Placeholder"),
        node("out", "DepthwiseConv2dNative", ("image", "kernel"), strides=strides(1, 1, 1, 1)),
    ]
    model = GraphModel(write_model(tmp_path, nodes, {"kernel": kernel}))
    (out,) = model(torch.tensor([[[[1.0, 2, 3]], [[4, 5, 6]]]]), ["out"])
    assert out.tolist() == [[[[2, 4, 6]], [[5, 6, 0]]]]


def test_resizing_starts_at_the_corner_and_others_are_elementwise(tmp_path):
    nodes = [
        node("image", "Placeholder"),
        node("large", "ResizeBilinear", ("image", "size")),
        node("mean", "Mean", ("image", "axes")),
        node("twice", "ConcatV2", ("image", "image", "axis")),
        node("scaled", "Mul", ("twice", "factor")),
        node("out", "Identity", ("scaled",)),
    ]
    constants = {
        "size": np.array([1, 4]),
        "axes": np.array([1, 2]),
        "axis": np.array(3),
        "factor": np.array([1.0, 10.0]),
    }
    model = GraphModel(write_model(tmp_path, nodes, constants))
    large, mean, out = model(torch.tensor([[[[2.0, 6.0]]]]), ["large", "mean", "out"])
    assert large.tolist() == [[[[2, 4, 6, 6]]]]
    assert mean.tolist() == [[[[4]]]]
    assert out.tolist() == [[[[2, 6]], [[20, 60]]]]


def test_what_is_no_model_is_one_line(tmp_path):
    path = tmp_path / "model.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="no graph model"):
        GraphModel(path)
    write_model(tmp_path, [node("image", "Placeholder"), node("out", "Fancy", ("image",))], {})
    with pytest.raises(InputError, match="the operation Fancy"):
        GraphModel(path)(torch.zeros(1, 1, 2, 2), ["out"])
    with pytest.raises(InputError, match="is no CenterNet"):
        open_detector(str(path))
    write_model(tmp_path, [node("image", "Placeholder")], {"kernel": np.ones(5)})
    (tmp_path / "model.bin").write_bytes(b"12")
    with pytest.raises(InputError, match="shorter than"):
        GraphModel(path)
    (tmp_path / "model.bin").unlink()
    with pytest.raises(InputError, match="put them beside it"):
        GraphModel(path)


def test_boxes_are_peaks_and_their_reach():
    points, sizes = torch.zeros(80, 6, 8), torch.zeros(4, 6, 8)
    points[2, 3, 5], points[2, 3, 4] = 0.9, 0.8  # the second is no peak
    points[0, 0, 0] = 0.4
    sizes[:, 3, 5] = torch.tensor([8, 4, 12, 6])
    found = decoded(points, sizes)
    assert COCO[int(found.classes[0])] == "car"
    assert found.corners[0].tolist() == [12, 8, 32, 18]
    assert found.scores[:3].tolist() == pytest.approx([0.9, 0.4, 0])


@pytest.fixture
def centernet() -> str:
    """Path of centernet.json, see docs/tasks.md."""
    path = os.environ.get("FUSIONLAB_CENTERNET", "")
    if not Path(path).is_file():
        pytest.skip("set FUSIONLAB_CENTERNET to the path of centernet.json, see docs/tasks.md")
    return path


@pytest.mark.slow
def test_centernet_finds_what_is_labelled(centernet, shared):
    """The cars of an M3FD pair, in its visible image."""
    (dataset,) = open_data(Data(root=str(shared / "data" / "vif" / "M3FD")))
    detector = open_detector(centernet)
    assert {POINTS, SIZES} <= detector.graph.nodes.keys()
    assert detector.side == SIDE
    picture = (dataset.images(0)[0][0] * 255).byte()
    with torch.inference_mode():
        found = detect(detector, picture, None, confidence=0.3, overlap=0.5)
    cars = found[found.classes == COCO.index("car")].corners
    boxes = dataset.labels(0).boxes
    truth = boxes.corners[boxes.classes == dataset.label_classes[0].names.index("car")]
    from torchvision.ops import box_iou

    assert (box_iou(truth, cars).amax(1) > 0.5).sum() >= 3
