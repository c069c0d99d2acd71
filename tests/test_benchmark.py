import torch

from fusionlab.benchmark import authors_static, interleaved
from fusionlab.networks import create_network


def test_what_is_compared_computes_the_same():
    network = create_network("ifcnn", "bundled")
    sources = torch.rand(1, 2, 1, 20, 24, generator=torch.Generator().manual_seed(0))
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    with torch.inference_mode():
        plain = (authors_static(network, sources) * luma).sum(1, keepdim=True)
        assert torch.allclose(plain, network(sources), atol=1e-5)


def test_runs_alternate_after_a_warm_up():
    order = []
    one, other = lambda: order.append("one"), lambda: order.append("other")
    interleaved(one, other, 3, torch.device("cpu"))
    assert order == ["one", "other"] * 4
