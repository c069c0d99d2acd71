"""Networks on the Hugging Face Hub, without the network: folders, caches and cards."""

from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard, constants

import fusionlab
from fusionlab.errors import InputError
from fusionlab.hub import HubNetwork, model_card
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.networks.downloads import download, hub_place, web_address

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """The Hub's cache, empty, and nothing but it."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cached(cache, file, write, branch="main"):
    """Put a file where huggingface_hub keeps those of owner/name."""
    folder = cache / "models--owner--name"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / branch).write_text(COMMIT)
    path = folder / "snapshots" / COMMIT / file
    path.parent.mkdir(parents=True)
    write(path)
    return path


def same(one, other):
    return all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def test_a_folder_is_the_network_again(tmp_path):
    network = create_network("ifcnn", rule="mean")
    HubNetwork(network).save_pretrained(tmp_path / "mine")
    again = HubNetwork.from_pretrained(tmp_path / "mine").network
    assert same(again, network)
    assert again.options == network.options
    assert not again.training
    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert names == {"config.json", "model.safetensors", "README.md"}


def test_a_cached_repository_is_the_network_again(offline):
    network = create_network("densefuse")
    cached(offline, "model.safetensors", lambda path: save_checkpoint(network, path), "v1")
    again = HubNetwork.from_pretrained("owner/name", revision="v1", cache_dir=offline).network
    assert same(again, network)


def test_what_is_pushed_is_the_folder(monkeypatch):
    pushed = {}
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", lambda token: _Api(pushed))
    HubNetwork(create_network("ifcnn", "bundled")).push_to_hub("owner/name", token="secret")
    assert pushed == {"owner/name": ["README.md", "config.json", "model.safetensors"]}


class _Api:
    def __init__(self, pushed):
        self.pushed = pushed

    def create_repo(self, repo_id, **_):
        return type("Made", (), {"repo_id": repo_id})

    def upload_folder(self, repo_id, folder_path, **_):
        self.pushed[repo_id] = sorted(path.name for path in Path(folder_path).iterdir())


@pytest.mark.slow
def test_the_card_has_numbers_and_conventions():
    network = create_network("ifcnn", "bundled")
    summary = fusionlab.evaluate({"IFCNN": network}, _two_pairs(), metrics=["EN", "EI:mefb"])
    card = ModelCard(model_card(network, summary))
    assert card.data.library_name == "fusionlab"
    number = summary["results"][0]["means"]["IFCNN"]["EN"]
    assert f"{number:.2f}" in card.text
    assert f"- EN: {summary['metrics']['EN']['convention']}" in card.text


def _two_pairs():
    from fusionlab.data.opening import open_data
    from fusionlab.settings import Data

    return open_data(Data(task="mff"))


def test_the_card_says_what_it_is():
    text = model_card(create_network("seafusion"))
    assert "Tang et al., Information Fusion 2022" in text
    assert "vi then ir" in text


def test_what_holds_no_network_is_refused(offline, tmp_path):
    with pytest.raises(InputError, match=r"owner/name: .*save_pretrained"):
        HubNetwork.from_pretrained("owner/name")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no checkpoint"):
        HubNetwork.from_pretrained(tmp_path / "empty")


@pytest.mark.parametrize(
    ("address", "place", "url"),
    [
        ("hf://a/b/c.pth", ("a/b", None, "c.pth"), "a/b/resolve/main/c.pth"),
        ("hf://a/b@v1/d/c.pth", ("a/b", "v1", "d/c.pth"), "a/b/resolve/v1/d/c.pth"),
    ],
)
def test_addresses(address, place, url):
    assert hub_place(address) == place
    assert web_address(address) == f"https://huggingface.co/{url}"


@pytest.mark.parametrize("address", ["hf://a/b@/c.pth", "hf://a/@v1/c.pth"])
def test_addresses_that_are_none(address):
    with pytest.raises(InputError, match="write hf://owner/name/file or"):
        hub_place(address)


def test_offline_takes_what_the_cache_holds(offline):
    path = cached(offline, "d/a.pth", lambda path: path.write_bytes(b"\0\1\2"), "v1")
    assert download("hf://owner/name@v1/d/a.pth").samefile(path)
    with pytest.raises(InputError, match=r"hf://owner/name/d/a.pth: .*give its path"):
        download("hf://owner/name/d/a.pth")


def test_the_hub_is_asked_for_the_revision(monkeypatch, tmp_path):
    asked = []

    def hf_hub_download(repo_id, filename, revision):
        asked.append((repo_id, filename, revision))
        (tmp_path / "page.pth").write_text("please log in")
        return str(tmp_path / "page.pth")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    with pytest.raises(InputError, match="no checkpoint but a text"):
        download(f"hf://owner/name@{COMMIT}/a.pth")
    assert asked == [("owner/name", "a.pth", COMMIT)]
