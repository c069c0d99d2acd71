"""Objectives by name, and the classifier's."""

import json

import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses import OBJECTIVES, Step, create_objective, objective_name
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.settings import Training

# weights of other networks
NEED_FILES = (
    "defusionpp_mcud",
    "divfusion_decomposition",
    "gifnet",
    "holoco",
    "mufusion",
    "piafusion",
    "seafusion_segment",
    "u2fusion",
)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in NEED_FILES])
def test_an_objective_knows_its_name(name):
    assert create_objective(name).name == name


def test_unknown_names_and_options_are_listed():
    with pytest.raises(InputError, match=r"unknown objective 'mine'; known: .*densefuse"):
        create_objective("mine")
    with pytest.raises(InputError, match=r"'weight'; it takes ssim_weight, as_published"):
        create_objective("densefuse", weight=1)
    with pytest.raises(InputError, match="'weight'; it takes none"):
        create_objective("ifcnn", weight=1)


def test_the_network_s_own_is_the_default():
    assert objective_name(None, "ifcnn", "x") == "ifcnn"
    assert objective_name("densefuse", "ifcnn", "x") == "densefuse"
    with pytest.raises(InputError, match=r"training\.objective is none; set it to one of"):
        objective_name("none", "ifcnn", "x")
    with pytest.raises(InputError, match=r"training\.objective is needed: x has no objective"):
        objective_name(None, "", "x")


def test_a_network_that_it_cannot_train_is_refused():
    with pytest.raises(InputError, match=r"training\.objective cddfuse trains CDDFuse.* ifcnn"):
        create_objective("cddfuse").check_network(create_network("ifcnn"))


def test_the_classifier_learns_from_its_cross_entropy_alone(tmp_path):
    torch.manual_seed(0)
    objective, network = create_objective("illumination"), create_network("piafusion")
    batch = {"image": torch.rand(4, 3, 16, 16), "label": torch.tensor([0, 1, 1, 0])}
    with torch.no_grad():
        objective.classifier.linear2.bias.copy_(torch.tensor([1.0, 2.0]))
    terms = objective(network, batch, Step())
    scores = objective.classifier(batch["image"])
    expected = F.nll_loss(scores.log_softmax(1), batch["label"]).item()
    assert terms["cross_entropy"].item() == pytest.approx(expected, rel=1e-6)
    (group,) = objective.parameter_groups(network)
    assert len(group.parameters) == len(list(objective.classifier.parameters()))
    found = objective.validate(network, batch)["accuracy"].tolist()
    assert found == [0, 1, 1, 0], "the bias makes everything night"
    path = objective.save(tmp_path)
    state = read_checkpoint(path).state
    assert all(torch.equal(state[k], v) for k, v in objective.classifier.state_dict().items())
    with safe_open(path, "pt") as file:
        assert file.metadata()["network"] == "piafusion_illumination"
        assert json.loads(file.metadata()["options"]) == {}


def test_what_the_classifier_was_taught_weighs_the_sources(tmp_path):
    torch.manual_seed(0)
    path = create_objective("illumination").save(tmp_path)
    state = torch.random.get_rng_state()
    create_objective("piafusion", classifier=str(path))
    assert torch.equal(torch.random.get_rng_state(), state), "a frozen classifier draws nothing"


@pytest.mark.parametrize(("setting", "value"), [("limit", 3), ("contrast", 0.1)])
def test_what_it_does_not_read_is_refused(setting, value):
    with pytest.raises(InputError, match=f"does not read training.{setting}"):
        create_objective("illumination").open_data(Training(**{setting: value}), 0)
