"""What axe says of the report, and addresses of its images."""

import pytest

from fusionlab.report.html import write_report
from tests.conftest import serious_faults
from tests.report.html_runs import FOLDER, STATIC, TTD, FakeData, make_run

pytestmark = pytest.mark.slow


@pytest.fixture
def report(tmp_path):
    run = make_run(tmp_path, FakeData(), methods=(FOLDER, STATIC, TTD), theorem=True)
    return write_report(run).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_no_serious_fault(browser, report, scheme, width):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(report)
    assert serious_faults(page) == []
    page.locator(".tile").first.click()
    page.get_by_label("Lay over").check()
    assert serious_faults(page) == []
    page.locator("#viewer-keys").click()
    assert serious_faults(page) == []


def test_faults_would_be_found(browser, report):
    page = browser.new_page()
    page.goto(report)
    page.evaluate("document.querySelector('#theme').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('#theme').removeAttribute('title')")
    page.evaluate("document.querySelector('#theme').textContent = ''")
    assert [fault.split(":")[0] for fault in serious_faults(page)] == ["button-name"]


def test_the_address_of_an_image_opens_it(browser, report):
    page = browser.new_page()
    page.goto(f"{report}#image-2")
    title = page.locator("#viewer-title")
    second = title.inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**#image-1")
    assert title.inner_text() != second
    page.keyboard.press("Escape")
    page.wait_for_url("**#images")
    page.goto("about:blank")
    for nothing in ("#image-0", "#image-99", "#images"):
        page.goto(report + nothing)
        assert not page.locator("#viewer").is_visible()
        page.goto("about:blank")
