"""Checkpoints by address, from a server of this machine."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.networks import downloads as downloads
from fusionlab.networks.checkpoints import weights_sha256
from fusionlab.networks.downloads import cached_path, download, is_address, web_address
from fusionlab.networks.ifcnn import IFCNN
from fusionlab.networks.published import Published

CONTENT = bytes(range(256)) * 1000


class Server:
    """Serves ``files`` by path, as many bytes short as ``withheld`` says."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.withheld = 0
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                content = server.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) - server.withheld])

            def log_message(self, *arguments) -> None:
                """Not on stderr."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def put(self, path: str, content: bytes = CONTENT) -> str:
        self.files[path] = content
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FUSIONLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(url: str, *published: Published) -> str:
    """Why it is not downloaded: one line that names the address and what else to do."""
    with pytest.raises(InputError) as refused:
        download(url, published)
    text = str(refused.value)
    assert text.startswith(url)
    assert "\n" not in text
    return text


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once_with_progress(server, cache, capsys):
    url = server.put("/weights/a.pth")
    path = download(url)
    assert path.read_bytes() == CONTENT
    assert files_in(cache) == [path]
    output = capsys.readouterr()
    assert output.out == ""
    assert f"downloading {url} to {path}" in output.err
    assert "100%" in output.err
    assert "known_hash" not in output.err
    server.stop()
    assert download(url) == path
    assert server.requests == ["/weights/a.pth"]
    assert capsys.readouterr().err == ""


def test_a_file_with_the_known_hash_is_kept(server):
    url = server.put("/a.pth")
    published = Published("a.pth", sha256=hashlib.sha256(CONTENT).hexdigest(), url=url)
    path = download(url, [published])
    path.write_bytes(b"damaged since")
    assert download(url, [published]).read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("withheld", [1, 200_000, len(CONTENT)])
def test_of_a_broken_transfer_nothing_is_kept(withheld, server, cache):
    server.withheld = withheld
    url = server.put("/a.pth")
    text = refusal(url)
    assert "the transfer broke off, nothing was kept; try again" in text
    assert "give its path" in text
    assert files_in(cache) == []
    server.withheld = 0
    assert download(url).read_bytes() == CONTENT


def test_of_a_file_with_another_hash_nothing_is_kept(server, cache):
    url, wanted = server.put("/a.pth"), "0" * 64
    text = refusal(url, Published("a.pth", sha256=wanted, url=url))
    assert f"expected {wanted} but got {hashlib.sha256(CONTENT).hexdigest()}" in text
    assert "Deleted download" in text
    assert files_in(cache) == []


def test_only_the_published_address_is_held_to_the_hash(server):
    url = server.put("/mirror/a.pth")
    elsewhere = Published("a.pth", sha256="0" * 64, url="https://example.org/a.pth")
    assert download(url, [elsewhere]).read_bytes() == CONTENT


def test_no_such_file(server, cache):
    url = server.put("/a.pth") + "x"
    assert "answers 404 Not Found; check the address" in refusal(url)
    assert files_in(cache) == []


def test_no_such_server(server, cache):
    url = server.put("/a.pth")
    server.stop()
    assert "cannot be reached (ConnectionError); " in refusal(url)
    assert files_in(cache) == []


def test_a_cache_that_is_no_folder(server, cache):
    cache.touch()
    assert "set FUSIONLAB_CACHE to a folder" in refusal(server.put("/a.pth"))


@pytest.mark.parametrize("file", ["a.safetensors", "weights/a.pth"])
def test_hugging_face(file):
    address = f"hf://owner/name/{file}"
    expected = f"https://huggingface.co/owner/name/resolve/main/{file}"
    assert is_address(address)
    assert web_address(address) == expected
    assert web_address(expected) == expected
    assert cached_path(address) == cached_path(expected)
    assert cached_path(address).name.endswith("-" + file.rpartition("/")[2])


@pytest.mark.parametrize("address", ["hf://", "hf://a.pth", "hf://owner/name", "hf://owner//a.pth"])
def test_hugging_face_without_owner_name_or_file(address):
    with pytest.raises(InputError, match=f"{address} is no address; write hf://owner/name/file"):
        download(address)


def test_equal_names_of_different_addresses_do_not_collide(cache):
    addresses = [
        "https://a.org/w.pth",
        "http://a.org/w.pth",
        "https://a.org/1/w.pth",
        "https://b.org/w.pth",
        "https://b.org/w.pth?version=2",
    ]
    paths = {cached_path(address) for address in addresses}
    assert len(paths) == len(addresses)
    assert {path.parent for path in paths} == {cache}
    assert all(path.suffix == ".pth" for path in paths)


@pytest.mark.parametrize("name", ["..%2F..%2Fa.pth", "%00.pth", "..", "", "b" * 300 + ".pth"])
def test_no_address_leads_out_of_the_cache(name, cache):
    path = cached_path(f"https://a.org/{name}")
    assert path.parent == cache
    assert path.resolve().parent == cache.resolve()
    assert len(path.name) < 200


def test_the_cache_is_below_home_unless_it_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("FUSIONLAB_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cached_path("https://a.org/a.pth").parent == tmp_path / ".cache" / "fusionlab"
    monkeypatch.setenv("FUSIONLAB_CACHE", "~/weights")
    assert cached_path("https://a.org/a.pth").parent == tmp_path / "weights"


@pytest.fixture
def weights(lively, tmp_path) -> bytes:
    """A checkpoint in the authors' layout."""
    torch.save(lively("ifcnn").state_dict(), tmp_path / "a.pth")
    return (tmp_path / "a.pth").read_bytes()


def test_a_network_is_made_from_an_address(server, lively, tmp_path, capsys):
    network = lively("ifcnn", rule="sum")
    save_checkpoint(network, tmp_path / "ours.safetensors")
    content = (tmp_path / "ours.safetensors").read_bytes()
    url = server.put("/ours.safetensors?download=true", content)
    loaded = create_network("ifcnn", checkpoint=url)
    assert loaded.options == network.options
    assert torch.equal(loaded.conv1.weight, network.conv1.weight)
    sha256 = weights_sha256(network.state_dict())
    assert loaded.checkpoint == {"path": url, "sha256": sha256}
    assert "unknown SHA-256" not in capsys.readouterr().err


def test_a_published_file_brings_its_options(server, weights, monkeypatch, capsys):
    url = server.put("/a.pth", weights)
    sha256 = hashlib.sha256(weights).hexdigest()
    monkeypatch.setattr(IFCNN, "published", (Published("b.pth", {"rule": "mean"}, sha256),))
    assert create_network("ifcnn", url).options["rule"] == "mean"
    assert create_network("ifcnn", url, rule="sum").options["rule"] == "sum"
    assert "unknown SHA-256" not in capsys.readouterr().err


def test_the_authors_address_tells_the_options_where_no_hash_does(
    server, weights, monkeypatch, capsys
):
    url = server.put("/a.pth", weights)
    monkeypatch.setattr(IFCNN, "published", (Published("a.pth", {"rule": "mean"}, None, url),))
    assert create_network("ifcnn", url).options["rule"] == "mean"
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"{url}: unknown SHA-256 {hashlib.sha256(weights).hexdigest()[:8]}…; ")
    other = server.put("/mirror/a.pth", weights)
    assert create_network("ifcnn", other).options["rule"] == "max"


def test_a_network_refuses_another_file_at_the_published_address(
    server, weights, monkeypatch, cache
):
    url = server.put("/a.pth", weights)
    monkeypatch.setattr(IFCNN, "published", (Published("a.pth", {}, "0" * 64, url),))
    with pytest.raises(InputError, match=f"{url}: .* expected {'0' * 64} but got "):
        create_network("ifcnn", url)
    assert files_in(cache) == []


def test_a_page_in_place_of_a_checkpoint_is_not_kept(server, cache):
    url = server.put("/blob/a.pth", b"<!DOCTYPE html><html></html>")
    with pytest.raises(InputError) as refused:
        create_network("ifcnn", url)
    assert str(refused.value).startswith(f"{url} is no checkpoint but a text that begins with")
    assert files_in(cache) == []


def test_what_is_no_checkpoint_says_what_to_remove(server):
    url = server.put("/blob/a.pth", b"\x00\x01")
    with pytest.raises(InputError) as refused:
        create_network("ifcnn", url)
    text = str(refused.value)
    assert text.startswith(f"{url}: {cached_path(url)} holds no whole PyTorch checkpoint")
    assert text.endswith("(remove that file first)")


@pytest.mark.parametrize(
    ("limit", "value", "reason"), [("LARGEST", 1000, "larger than"), ("LONGEST", -1.0, "took more")]
)
def test_a_download_has_limits(limit, value, reason, server, cache, monkeypatch):
    monkeypatch.setattr(downloads, limit, value)
    assert reason in refusal(server.put("/a.pth"))
    assert files_in(cache) == []


def test_credentials_are_shown_nowhere(server, weights, cache, capsys):
    url = server.put("/a.pth?token=hush", weights).replace("http://", "http://me:pw@")
    network = create_network("ifcnn", url)
    told = capsys.readouterr().err + str(network.describe()) + str(files_in(cache))
    assert not any(secret in told for secret in ("hush", "me:", "pw@"))
    shown = network.checkpoint["path"]
    server.stop()
    assert create_network("ifcnn", shown).checkpoint == network.checkpoint, "it is in the cache"
