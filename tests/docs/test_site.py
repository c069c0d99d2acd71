"""What axe says of the site, page by page, and how wide its pages are."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import serious_faults

SITE = Path(__file__).parents[2] / "build" / "site"
PAGES = sorted(path.stem for path in (SITE.parents[1] / "docs").glob("*.md"))

LONG = {"api", "metrics", "replication", "results"}  # axe needs as long for them as for all others

pytestmark = pytest.mark.slow

# Of dozens of tables of one kind, axe takes half a minute; what it says of four holds for all.
FEW_TABLES = "[...document.querySelectorAll('table')].slice(4).forEach((one) => one.remove())"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of the site: its search needs a server."""
    if not SITE.is_dir():
        pytest.skip("no site: make site builds it")
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("width", "scheme", "names"),
    [(1400, "light", PAGES), (390, "dark", [name for name in PAGES if name not in LONG])],
)
def test_no_serious_fault_on_any_page(browser, address, width, scheme, names):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    found = {}
    for name in names:
        page.goto(f"{address}/{name}.html")
        page.wait_for_timeout(100)  # the theme makes tables scroll a moment later
        sideways = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        page.evaluate(FEW_TABLES)
        found[name] = serious_faults(page) + ["it scrolls sideways"] * sideways
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert errors == []
