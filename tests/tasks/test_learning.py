"""Detectors and segmenters learn from scenes with labels, on backbones of timm."""

from functools import partial

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

from fusionlab.data.batches import collate
from fusionlab.data.built_in import SCENE_CLASSES
from fusionlab.data.labels import make_boxes
from fusionlab.data.scenes.endless import head_scene, people_scene
from fusionlab.errors import InputError
from fusionlab.losses import Step
from fusionlab.networks import create_network
from fusionlab.networks.defusion import DeFusion
from fusionlab.settings import Training
from fusionlab.tasks.features import TokenPyramid
from fusionlab.tasks.learning import DetectObjective, SegmentObjective
from fusionlab.tasks.opening import open_detector, open_segmenter
from fusionlab.tasks.pictures import LabelledScenes, _cut, boxes_of
from fusionlab.tasks.upernet import UPerHead
from fusionlab.training.datamodule import training_loader

SMALL = {"backbone": "test_resnet"}
SIDE = 96


def learn(objective, network, steps: int, lr: float = 2e-3) -> list[float]:
    """The loss of every step of AdamW."""
    torch.manual_seed(0)
    settings = Training(crop_size=SIDE, batch_size=4, batches_per_epoch=steps)
    data, validation = objective.open_data(settings, seed=0)
    assert validation is None
    groups = objective.parameter_groups(network)
    parameters = [one for group in groups for one in group.parameters]
    optimizer = torch.optim.AdamW(parameters, lr=lr)
    objective.train()
    losses = []
    for batch in training_loader(data, settings, seed=0):
        loss = torch.stack(list(objective(network, batch, Step()).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 10)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def validated(objective, network, make, task: str) -> dict[str, float]:
    """On eight scenes of another seed."""
    scenes = LabelledScenes(
        "held out", partial(make, side=SIDE, seed=9), range(8), SCENE_CLASSES[task]
    )
    scenes.with_labels = True
    metric = objective.metric()
    objective.eval()
    for index in range(len(scenes)):
        objective.observe(network, collate([scenes[index]]), metric)
    return objective.values(metric)


@pytest.mark.slow
def test_a_detector_finds_people_who_are_warm(tmp_path):
    torch.manual_seed(0)
    network = create_network("maximum").eval()
    objective = DetectObjective(pictures="ir", width=64, size=SIDE, **SMALL)
    before = validated(objective, network, people_scene, "vif")["mAP50"]
    losses = learn(objective, network, 80)
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    after = validated(objective, network, people_scene, "vif")["mAP50"]
    assert before < 0.05
    assert after > 0.2
    opened = open_detector(str(objective.save(tmp_path)))
    picture = torch.randint(0, 256, (1, 3, SIDE, SIDE), dtype=torch.uint8)
    (one,), (other,) = opened(picture), objective.model(picture)
    assert torch.equal(one.corners, other.corners)


@pytest.mark.slow
def test_a_segmenter_learns_and_is_stored(tmp_path):
    torch.manual_seed(0)
    network = create_network("maximum").eval()
    objective = SegmentObjective(pictures="fused", width=32, **SMALL)
    before = validated(objective, network, head_scene, "mif")["mIoU"]
    losses = [loss for _ in range(4) for loss in learn(objective, network, 60)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert before < 0.5  # a picture without lesions
    assert validated(objective, network, head_scene, "mif")["mIoU"] > 0.6
    opened = open_segmenter(str(objective.save(tmp_path)))
    picture = torch.randint(0, 256, (1, 3, 50, 70), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(opened(picture), objective.model(picture))


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [True, False])
def test_a_head_on_fused_features_learns(freeze):
    torch.manual_seed(0)
    network = create_network("defusion")
    objective = SegmentObjective(pictures="representation", width=16, pyramid=16, freeze=freeze)
    objective.check_network(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    losses = learn(objective, network, 2)
    assert all(loss > 0 for loss in losses)
    changed = [k for k, v in network.state_dict().items() if not torch.equal(v, before[k])]
    assert bool(changed) is not freeze
    with pytest.raises(InputError, match=r"set network\.name to defusion"):
        objective.check_network(create_network("ifcnn"))


@torch.no_grad()
def test_a_head_sees_the_sources_in_the_networks_order():
    """DeFusion takes the infrared image first, whatever the data's order."""
    torch.manual_seed(0)
    network = create_network("defusion", **DeFusion.small)
    objective = SegmentObjective(pictures="representation", width=16)
    objective.parameter_groups(network)
    objective.model.eval()
    objective.task, sources = "vif", torch.rand(2, 2, 1, 32, 32)
    forth = {"sources": sources, "source_names": [("vi", "ir")] * 2}
    back = {"sources": sources.flip(1), "source_names": [("ir", "vi")] * 2}
    mixed = {"sources": torch.stack([sources[0], sources[1].flip(0)])}
    mixed["source_names"] = [("vi", "ir"), ("ir", "vi")]
    scores = objective._scores(network, forth)
    assert torch.equal(objective._scores(network, back), scores)
    assert torch.equal(objective._scores(network, mixed), scores)
    other = objective._scores(network, {**forth, "sources": sources.flip(1)})
    assert (other - scores).abs().max() > 1e-5, "the order should matter"


def test_a_detector_of_torchvision_stands_on_fused_features():
    """Its loss reaches the fusion network."""
    torch.manual_seed(0)
    network = create_network("defusion", **DeFusion.small)
    backbone = network.representation

    class Pyramid(torch.nn.Module):
        """Two sources lie behind each other in the channels of an image."""

        out_channels = 32

        def __init__(self):
            super().__init__()
            self.backbone = backbone
            self.levels = FeaturePyramidNetwork(backbone.feature_info.channels(), 32)

        def forward(self, images):
            maps = self.backbone(images.unflatten(1, (2, 3)))
            return self.levels({str(k): x for k, x in enumerate(maps)})

    anchors = AnchorGenerator(((8,), (16,), (32,), (64,)), ((1.0,),) * 4)
    sizes = {"min_size": 64, "max_size": 64, "image_mean": [0.0] * 6, "image_std": [1.0] * 6}
    detector = FCOS(Pyramid(), 2, anchor_generator=anchors, **sizes)
    truth = {"boxes": torch.tensor([[10.0, 12.0, 40.0, 50.0]]), "labels": torch.tensor([1])}
    losses = detector([torch.rand(6, 64, 64)], [truth])
    sum(losses.values()).backward()
    assert network.upper_encoder_layer3.layer[0].conv1.weight.grad.any()
    assert network.decoder_common_layer1.layer[0].conv1.weight.grad.any()


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_detector_on_fused_features_learns(freeze, tmp_path):
    """Where the network is frozen it stays as it is."""
    torch.manual_seed(0)
    network = create_network("defusion", **DeFusion.small)
    objective = DetectObjective(pictures="representation", width=64, freeze=freeze)
    objective.check_network(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    losses = learn(objective, network, 14)
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    changed = [k for k, v in network.state_dict().items() if not torch.equal(v, before[k])]
    assert bool(changed) is not freeze
    path = objective.save(tmp_path)
    assert path.name == "head.safetensors"
    assert not objective.next_command, "evaluate reads detectors of pictures"
    with safe_open(path, "pt") as content:
        assert set(content.keys()) == objective.model.state_dict().keys()
        assert content.metadata()["kind"] == "head"
    with pytest.raises(InputError, match=r"set network\.name to defusion"):
        objective.check_network(create_network("ifcnn"))


@torch.no_grad()
def test_a_detector_on_features_says_what_torchvisions_fcos_says():
    """On maps that a backbone of pictures would give."""
    torch.manual_seed(0)
    network = create_network("defusion", **DeFusion.small)
    objective = DetectObjective(pictures="representation", width=64)
    objective.parameter_groups(network)
    head = objective.model.eval()

    class Backbone(torch.nn.Module):
        """Two sources lie behind each other in the channels of an image."""

        out_channels = 64

        def forward(self, images):
            return head.model.backbone(network.representation(images.unflatten(1, (2, 3))))

    whole = FCOS(
        Backbone(),
        1,
        min_size=64,
        max_size=64,
        image_mean=[0.0] * 6,
        image_std=[1.0] * 6,
        anchor_generator=head.model.anchor_generator,
        head=head.model.head,
        score_thresh=0.01,
    ).eval()
    sources = torch.rand(1, 2, 3, 64, 64)
    (expected,) = whole([sources[0].flatten(0, 1)])
    (found,) = head.of_maps(network.representation(head.padded(sources)), (64, 64))
    assert len(found) > 0
    assert torch.allclose(found.corners, expected["boxes"], atol=1e-3)
    assert torch.allclose(found.scores, expected["scores"], atol=1e-5)


def test_tokens_become_a_pyramid_and_a_map_of_scores():
    maps = [torch.rand(1, 6, 3, 4)] * 3 + [torch.rand(1, 3, 3, 4)]
    pyramid = TokenPyramid([6, 6, 6, 3], width=8)
    levels = pyramid(maps)
    assert [one.shape[2:] for one in levels] == [(48, 64), (24, 32), (12, 16), (6, 8)]
    assert UPerHead(pyramid.channels, 5, width=16)(levels).shape == (1, 5, 48, 64)


def test_scenes_are_drawn_from_their_number_alone():
    first, again, other = (people_scene(number, 48) for number in (3, 3, 4))
    assert torch.equal(first.sources[1], again.sources[1])
    assert not torch.equal(first.sources[1], other.sources[1])
    assert {name for name, _ in first.objects} == {"person"}
    ir = first.sources[1][0]
    inside = torch.stack([matte[0] for _, matte in first.objects]).amax(0) > 0.5
    assert ir[inside].mean() > ir[~inside].mean() + 0.2
    head = head_scene(0, 64)
    assert head.source_names == ("mri", "ct")
    assert (head.objects[0][1] > 0.5).any()


def test_boxes_follow_the_piece_that_is_cut():
    """A bright object stays where its box says, in every piece."""
    image = torch.zeros(1, 60, 80)
    image[:, 20:40, 30:60] = 1
    boxes = make_boxes([[30, 20, 60, 40]], [0], [False])
    seen = 0
    for seed in range(12):
        mask = (image[0] > 0).long()
        rng = np.random.default_rng(seed)
        piece, cut, found = _cut(image, mask, boxes, 48, rng)
        assert piece.shape[1:] == cut.shape == (48, 48)
        if len(found):
            seen += 1
            left, top, right, bottom = found.corners[0].round().int().tolist()
            inside = piece[0, top:bottom, left:right]
            assert inside.mean() > 0.85
            assert piece.sum() == pytest.approx(float(inside.sum()), rel=0.15)
        else:
            assert piece.sum() < 10
    assert seen > 6


def test_no_more_boxes_than_are_learnt():
    batch = {
        "corners": torch.zeros(1, 64, 4),
        "kinds": torch.tensor([[0, -1] + [-1] * 62]),
        "ignored": torch.zeros(1, 64, dtype=torch.bool),
    }
    (found,) = boxes_of(batch)
    assert len(found) == 1


def test_what_cannot_be_learnt_is_one_line():
    with pytest.raises(InputError, match="name one of timm's"):
        DetectObjective(backbone="no_such_backbone")
    with pytest.raises(InputError, match=r"no file nowhere\.pth"):
        SegmentObjective(pretrained="nowhere.pth", **SMALL)
    with pytest.raises(InputError, match="multiple of 32"):
        DetectObjective(width=40, **SMALL)
    objective = DetectObjective(pictures="ct", width=64, **SMALL)
    data, _ = objective.open_data(Training(crop_size=32, batches_per_epoch=1, batch_size=1), 0)
    with pytest.raises(InputError, match="the sources are vi, ir"):
        objective.seen(create_network("maximum"), collate([data[0]]))
