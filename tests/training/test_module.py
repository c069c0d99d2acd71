import torch

from fusionlab.data.batches import collate
from fusionlab.data.colour import to_chroma, to_luma
from fusionlab.data.dataset import SceneDataset
from fusionlab.networks import create_network
from fusionlab.settings import TTD
from fusionlab.training.module import FusionModule, viewable_image


def test_luma_and_chroma_make_the_image_again():
    image = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    seen = viewable_image(to_luma(image)[None], to_chroma(image)[None], in_rgb=False)
    assert torch.allclose(seen[0], image, atol=1e-6)


def test_output_is_clamped_for_the_viewer():
    fused = torch.tensor([-0.3, 0.4, 1.2]).view(1, 1, 1, 3)
    seen = viewable_image(fused, torch.zeros(1, 2, 1, 3), in_rgb=False)
    assert torch.allclose(seen, torch.tensor([0, 0.4, 1]).view(1, 1, 1, 3).expand(1, 3, 1, 3))


def test_rgb_output_of_grey_sources_is_grey_and_of_coloured_ones_stays():
    fused = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    chroma = torch.zeros(2, 2, 4, 5)
    chroma[1, 0, 2, 3] = 0.1
    seen = viewable_image(fused, chroma, in_rgb=True)
    assert torch.allclose(seen[0], to_luma(fused[0]).expand(3, -1, -1))
    assert torch.equal(seen[1], fused[1])


def test_a_batch_is_encoded_once_for_both_results(monkeypatch):
    network = create_network("ifcnn")
    calls = []
    encode = network.encode
    monkeypatch.setattr(network, "encode", lambda sources: calls.append(1) or encode(sources))
    module = FusionModule(network, ttd=TTD())
    batch = collate([SceneDataset("mif", "luma")[0]])
    with torch.inference_mode():
        images, milliseconds, dynamic = module.fuse(batch)
    assert len(calls) == 1
    assert set(images) == set(milliseconds) == {"static", "ttd"}
    assert torch.equal(images["ttd"], dynamic.fused)
    assert torch.equal(images["static"], network(batch["sources"].expand(-1, -1, 3, -1, -1)))


def test_each_channel_is_clamped_before_luma_is_taken():
    fused = torch.tensor([1.5, 0.5, -0.5]).view(1, 3, 1, 1)
    seen = viewable_image(fused, torch.zeros(1, 2, 1, 1), in_rgb=False)
    assert torch.allclose(seen, torch.full((1, 3, 1, 1), 0.299 + 0.587 * 0.5))
