import pytest

from fusionlab.settings.addresses import without_credentials

PLAIN = [
    "https://example.org/a/b.pth",
    "https://example.org/x?id=12&export=download",
    "hf://owner/name/file.safetensors",
    "weights/a.pth",
    "~/a@b.pth",
]
SECRET = {
    "https://me:pw@example.org/a.pth": "https://example.org/a.pth",
    "https://token@example.org:8443/a.pth": "https://example.org:8443/a.pth",
    "https://e.org/a?X-Amz-Signature=ab&X-Amz-Expires=9&id=3": "https://e.org/a?id=3",
    "https://e.org/a?access_token=ab#x": "https://e.org/a",
    "https://e.org/a?x=" + "aB3" * 20: "https://e.org/a",
    "https://acc.blob.example.net/a?sv=2&sr=b&sig=x": "https://acc.blob.example.net/a",
    "ifcnn@https://me:pw@e.org/a.pth": "ifcnn@https://e.org/a.pth",
}


@pytest.mark.parametrize("text", PLAIN)
def test_what_has_no_credentials_stays(text):
    assert without_credentials(text) == text


@pytest.mark.parametrize("text", SECRET)
def test_credentials_go_from_every_place(text):
    nested = {"a": [text, 1, None], "b": {"c": (text,)}}
    clean = SECRET[text]
    assert without_credentials(nested) == {"a": [clean, 1, None], "b": {"c": (clean,)}}
