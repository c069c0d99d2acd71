import json

import pytest
import torch
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.ttd import (
    TestTimeDynamicFusion,
    cached_choice,
    choose_channel,
    generalisation_bound,
)
from tests.ttd.networks import Halves, Smooth


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLAB_CACHE", str(tmp_path))
    return tmp_path / "channels"


def encoded(network, count=2):
    generator = torch.Generator().manual_seed(0)
    batches = [torch.rand(1, 2, 1, 8, 9, generator=generator) for _ in range(count)]
    return [(network.encode(batch), batch) for batch in batches]


def test_the_channel_that_the_loss_pulls_at_is_chosen():
    """Channel 1 of Halves has no gradient: its weights are uniform, its covariance is 0."""
    network = Halves()
    dynamic = TestTimeDynamicFusion(
        network, "paper", basis="gradient", loss="mse", temperature="auto"
    )
    choice = choose_channel(dynamic, encoded(network))
    assert choice.channel == 0
    assert choice.scores[0] < -1e-4
    assert choice.scores[1] == pytest.approx(0, abs=1e-9)


def test_scores_are_mean_covariances_of_fusions_with_that_channel():
    torch.manual_seed(0)
    network = Smooth()
    batches = encoded(network, 3)
    options = {"basis": "gradient", "temperature": "auto"}
    choice = choose_channel(TestTimeDynamicFusion(network, "paper", **options), batches)
    for channel, score in enumerate(choice.scores):
        dynamic = TestTimeDynamicFusion(network, "paper", channel=channel, **options)
        results = [dynamic.fuse(*batch) for batch in batches]
        bounds = [generalisation_bound(r.weights, r.losses) for r in results]
        expected = torch.cat([bound.covariances for bound in bounds]).mean()
        assert score == pytest.approx(expected.item(), rel=1e-4, abs=1e-9)
    assert choice.channel == min(range(3), key=choice.scores.__getitem__)


def test_batches_do_not_matter():
    torch.manual_seed(0)
    network = Smooth()
    dynamic = TestTimeDynamicFusion(network, "paper", basis="gradient", temperature="auto")
    batches = encoded(network, 2)
    together = (torch.cat([f for f, _ in batches]), torch.cat([s for _, s in batches]))
    assert_close(
        choose_channel(dynamic, [together]).scores, choose_channel(dynamic, batches).scores
    )


def test_the_first_sources_choose_and_later_ones_keep_it():
    torch.manual_seed(0)
    network = Smooth()
    dynamic = TestTimeDynamicFusion(
        network, "paper", basis="gradient", channel="auto", temperature="auto"
    )
    (features, sources), *later = encoded(network, 3)
    expected = choose_channel(dynamic, [(features, sources)]).channel
    dynamic(sources)
    assert dynamic.channel == expected
    for batch in later:
        dynamic.fuse(*batch)
    assert dynamic.channel == expected


def test_a_choice_is_kept_until_weights_settings_or_images_change(cache):
    torch.manual_seed(0)
    network = Smooth()
    sources = [torch.rand(1, 2, 1, 8, 9)]
    dynamic = TestTimeDynamicFusion(network, "paper", basis="gradient", temperature="auto")
    first = cached_choice(dynamic, sources)
    (kept,) = cache.iterdir()
    kept.write_text(json.dumps({"channel": 17, "scores": [0.0]}))
    assert cached_choice(dynamic, sources).channel == 17  # it is read, not computed
    other = TestTimeDynamicFusion(network, "paper", basis="gradient", temperature=2.0)
    cached_choice(other, sources)
    cached_choice(dynamic, [sources[0] + 0.1])
    with torch.no_grad():
        network.decoder.bias += 1
    assert cached_choice(dynamic, sources).scores != first.scores
    assert len(list(cache.iterdir())) == 4


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FUSIONLAB_CACHE", str(tmp_path / "file"))
    dynamic = TestTimeDynamicFusion(Smooth(), "paper", basis="gradient")
    with pytest.raises(InputError, match="set FUSIONLAB_CACHE to a folder"):
        cached_choice(dynamic, [torch.rand(1, 2, 1, 8, 9)])


def test_nothing_to_calibrate_on_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        choose_channel(TestTimeDynamicFusion(Smooth(), "paper", basis="gradient"), [])
