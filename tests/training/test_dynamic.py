import json
from dataclasses import asdict

import pytest
import torch

from fusionlab.data.batches import collate
from fusionlab.data.dataset import FusionDataset, SceneDataset
from fusionlab.errors import InputError
from fusionlab.metrics import open_metrics
from fusionlab.networks import create_network
from fusionlab.settings import TTD
from fusionlab.training.module import FusionModule
from fusionlab.ttd import TestTimeDynamicFusion, cached_choice


class Cropped(FusionDataset):
    """The built-in medical scenes, 16 pixels a side."""

    def __init__(self, start: int = 0) -> None:
        super().__init__("cropped", "mif", "luma")
        scenes = SceneDataset("mif", "luma")
        self.ids, self.source_names = scenes.ids, scenes.source_names
        self.sizes = [(16, 16)] * len(self.ids)
        place = (..., slice(100 + start, 116 + start), slice(100, 116))
        self.cropped = [[x[place] for x in scenes.images(i)[0]] for i in range(len(scenes))]

    def images(self, index):
        return self.cropped[index], None


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def network():
    torch.manual_seed(0)
    return create_network("ifcnn")


def module_for(network, datasets, **settings):
    module = FusionModule(network, ttd=TTD(**settings))
    module.score_on(datasets, open_metrics("ttd", ["EN"]))
    return module


def test_each_data_set_chooses_its_channel_on_its_first_four_images(network, cache):
    datasets = [Cropped(), Cropped(30)]
    settings = {"basis": "gradient", "channel": "auto", "temperature": "auto"}
    module = module_for(network, datasets, **settings)
    with torch.inference_mode():
        for index, dataset in enumerate(datasets):
            module.fuse(collate([dataset[len(dataset) - 1]]), index)
    for index, dataset in enumerate(datasets):
        sources = [collate([dataset[i]])["sources"].expand(-1, -1, 3, -1, -1) for i in range(4)]
        with torch.no_grad():
            dynamic = TestTimeDynamicFusion(network, **settings)
            assert module.channels[index] == cached_choice(dynamic, sources).channel
    assert len(list((cache / "channels").iterdir())) == 2  # the module's own were read again
    assert json.dumps(module.describe()["ttd"]["channels"])


@pytest.mark.parametrize(("rule", "expected"), [("max", "peak"), ("mean", "softmax")])
def test_it_describes_the_normalization_that_the_rule_has_chosen(rule, expected):
    module = module_for(create_network("ifcnn", rule=rule), [Cropped()])
    assert module.describe()["ttd"] == asdict(TTD(normalization=expected))


def test_the_static_image_serves_as_what_is_compared(network, monkeypatch):
    module = module_for(network, [Cropped()], compare="fused")
    decoded, decode = [], network.decode
    monkeypatch.setattr(network, "decode", lambda *x: decoded.append(1) or decode(*x))
    with torch.inference_mode():
        images, milliseconds, dynamic = module.fuse(collate([Cropped()[0]]))
    assert len(decoded) == 2
    assert torch.equal(dynamic.components[:, 1], images["static"])
    assert milliseconds["ttd"] > milliseconds["static"]


def test_an_objective_that_needs_a_truth_is_refused(network):
    module = module_for(network, [Cropped()], preset="paper", basis="gradient", loss="objective")
    with pytest.raises(InputError, match=r"ifcnn has no objective .* set ttd.loss to l1, mse"):
        module.fuse(collate([Cropped()[0]]))


def test_cddfuse_follows_its_objective():
    torch.manual_seed(0)
    network = create_network("cddfuse")
    settings = {"basis": "gradient", "compare": "components", "loss": "objective"}
    module = module_for(network, [Cropped()], **settings)
    with torch.inference_mode():
        _, _, dynamic = module.fuse(collate([Cropped()[0]]))
    assert dynamic.weights.std() > 1e-3
