"""The report in a browser: opened from disk and driven as a reader would."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fusionlab.report.html import write_report
from fusionlab.report.table import mark, number, share
from fusionlab.runs.run import SOURCE_KEY, Run
from tests.report.html_runs import (
    AUTHORS,
    FOLDER,
    HOSTILE,
    STATIC,
    TTD,
    FakeCondition,
    FakeData,
    FakeMethod,
    make_run,
)

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

RED, BLUE, GREEN, YELLOW = (200, 0, 0), (0, 0, 200), (0, 200, 0), (253, 231, 37)
WIDE = {"width": 1400, "height": 900}

OTHER = FakeData(gains=(-1,), ids=("d",), done=1, task="mff", name="other pairs")

Open = Callable[..., Any]


@pytest.fixture
def open_report(browser) -> Iterator[Open]:
    """Opens a run's report; in the end no error, dialog or request elsewhere may have come."""
    problems: list[str] = []
    contexts = []

    def open_(run: Path, viewport: dict[str, int] = WIDE, **options: Any) -> Any:
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.requested = []
        page.on("console", lambda said: problems.append(f"console {said.type}: {said.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (problems.append("a dialog"), dialog.dismiss()))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
        context.on("request", lambda request: page.requested.append(request.url))
        page.goto(write_report(run).as_uri())
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            problems += [url for url in page.requested if not url.startswith(("file:", "data:"))]
        context.close()
    assert problems == []


@pytest.fixture
def run(tmp_path) -> Path:
    """Two tasks; TTD gains 0.5, −0.25, 2 in EN on the first, −1 on the second."""
    return make_run(tmp_path, FakeData(), OTHER)


@pytest.fixture
def many(tmp_path) -> Path:
    """A folder, a network, the same with two settings of TTD; the second gains twice as much."""
    return make_run(tmp_path, FakeData(), methods=(FOLDER, STATIC, TTD, AUTHORS), theorem=True)


def tiles(page: Any) -> list[str]:
    return page.locator(".tile .id").all_text_contents()


def sort(page: Any, order: str, metric: str = "EN ↑") -> list[str]:
    """The ids in the order of the grid."""
    page.select_option("#sort-metric", label=metric)
    page.select_option("#sort-by", label=order)
    return tiles(page)


def view(page: Any, name: str) -> None:
    """Open a sample in the viewer and wait for its image."""
    page.locator(".tile", has_text=name).first.click()
    page.wait_for_function("document.querySelector('#stage img').style.transform !== ''")


def colour(page: Any, x: float, y: float = 0.7) -> tuple[int, ...]:
    """Of the stage, at shares of its width and height."""
    picture = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")
    return picture.getpixel((int(x * picture.width), int(y * picture.height)))


def close(one: tuple[int, ...], other: tuple[int, ...], tolerance: int = 2) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def transforms(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "#stage img:not([hidden])", "all => all.map(one => one.style.transform)"
    )


def test_tables_say_what_was_measured(open_report, tmp_path):
    page = open_report(make_run(tmp_path, FakeData(gains=(0.5, 0.25, 1.5)), OTHER))
    rows = page.locator("#tables .card").first.locator("tbody tr").all_inner_texts()
    cells = [row.split("\t") for row in rows]
    assert cells[2] == ["IFCNN", "1.00", "9.00", "11.00"]  # EN, CE, ms
    assert cells[3] == ["IFCNN+TTD", "1.75", "8.25", "11.00"]
    assert [cell.strip() for cell in cells[4]] == ["difference", "+0.750", "−0.750", ""]
    assert cells[5][1].split() == ["+0.250", "+1.500"]
    assert [cell.strip() for cell in cells[6]] == ["improved", "100 %", "100 %", ""]
    assert page.locator("#tables .differences .better").count() == 2  # also where lower is better
    assert page.locator("th[title='ttd: EN as such']").count() == 2
    assert "abc123" in page.locator("#facts").inner_text()


def test_the_theorem_has_a_table_for_each_data_set_and_image(open_report, tmp_path):
    page = open_report(make_run(tmp_path, FakeData(), OTHER, theorem=True, truth=True))
    assert page.locator("#theorem-note").inner_text() == "ω is RD."
    card, _ = page.locator("#bounds .card").all()
    rows = [row.split("\t") for row in card.locator("tbody tr").all_inner_texts()]
    assert rows == [
        ["vi", "0.500", "0.125", "−0.25"],
        ["ir", "0.500", "0.125", "0.75"],
        ["GEB", "2.000", "2.000"],
        ["GEB, truth", "0.7500", "0.5000"],
        ["error, truth", "0.5000", "0.2500"],
    ]
    assert card.locator(".better").all_inner_texts() == ["−0.25"]
    assert "Eq. 5 holds on 1 of 3 images" in card.inner_text()
    view(page, "b")
    seen = page.locator("#numbers table").last.locator("tbody tr").all_inner_texts()
    assert seen[0].split("\t") == ["GEB", "2.000", "2.000"]


def test_the_theorem_without_a_bound_says_so(open_report, tmp_path):
    run = make_run(tmp_path, FakeData(done=2), theorem=True)
    lines = (run / "theorem.csv").read_text().splitlines()
    kept = [one in (*SOURCE_KEY, "static_bound") for one in lines[0].split(",")]
    cut = (
        ",".join(c if k else "" for c, k in zip(one.split(","), kept, strict=True))
        for one in lines[1:]
    )
    (run / "theorem.csv").write_text("\n".join([lines[0], *cut, ""]))
    (card,) = open_report(run).locator("#bounds .card").all()
    found = [row.split("\t") for row in card.locator("tbody tr").all_inner_texts()]
    assert found == [["vi", "–", "–", "–"], ["ir", "–", "–", "–"], ["GEB", "1.500", "–"]]
    assert "GEB is defined on no image." in card.inner_text()


def test_without_the_theorem_its_section_is_not_there(open_report, run):
    page = open_report(run)
    assert page.locator("#theorem").is_hidden()
    assert page.locator("nav a[href='#theorem']").is_hidden()


def test_small_numbers_are_written_with_a_power_of_ten(open_report, run):
    page = open_report(run)
    written = page.evaluate("[0, -1.25e-5, 0.00123456, 0.5, null].map((x) => exact(x, 3))")
    assert written == ["0.00", "−1.25e−5", "0.00123", "0.500", "–"]


def test_grid_is_sorted_by_gain(open_report, run):
    page = open_report(run)
    assert tiles(page) == ["a", "b", "c", "d"]
    assert sort(page, "largest gain") == ["c", "a", "b", "d"]
    assert sort(page, "largest loss") == ["d", "b", "a", "c"]
    assert sort(page, "largest gain", "CE ↓") == ["c", "a", "b", "d"]  # CE falls as EN grows
    assert sort(page, "IFCNN, best first") == ["c", "b", "a", "d"]  # equal ones as in the data
    assert sort(page, "IFCNN, worst first") == ["a", "d", "b", "c"]


def test_filter_by_task_and_name(open_report, run):
    page = open_report(run)
    page.get_by_role("button", name="MFF", exact=True).click()
    assert tiles(page) == ["d"]
    assert page.locator("#tables .card").count() == 1
    page.get_by_role("button", name="All", exact=True).click()
    page.fill("#find", "B")
    assert tiles(page) == ["b"]


def test_divider_changes_what_is_seen(open_report, run):
    page = open_report(run)
    view(page, "a")
    assert close(colour(page, 0.35), RED)
    assert close(colour(page, 0.65), BLUE)
    box = page.locator("#divider").bounding_box()
    stage = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.25 * stage["width"], box["y"] + 20, steps=3)
    page.mouse.up()
    assert close(colour(page, 0.35), BLUE)
    page.focus("#divider")
    page.keyboard.press("End")
    assert page.get_attribute("#divider", "aria-valuenow") == "100"
    assert close(colour(page, 0.65), RED)


def test_any_pair_may_be_compared(open_report, run):
    page = open_report(run)
    view(page, "a")
    page.keyboard.press("2")
    assert page.locator("#name-left").inner_text() == "vi"
    assert close(colour(page, 0.35), GREEN)
    page.select_option("#left", label="RD of ir")
    page.wait_for_function("document.querySelector('#image-left').complete")
    assert close(colour(page, 0.35), YELLOW)
    page.locator("#strip figure", has_text="IFCNN").first.locator(".view").click()
    assert page.locator("#name-right").inner_text() == "IFCNN"
    assert close(colour(page, 0.65), RED)


def test_overlay_opacity(open_report, run):
    page = open_report(run)
    view(page, "a")
    page.keyboard.press("o")
    page.wait_for_function("document.querySelector('#stage .laid-over').complete")
    assert close(colour(page, 0.35), tuple((a + b) // 2 for a, b in zip(RED, YELLOW, strict=True)))
    page.fill("#opacity", "100")
    assert close(colour(page, 0.35), YELLOW)
    page.fill("#opacity", "0")
    assert close(colour(page, 0.35), RED)
    page.keyboard.press("Tab")
    page.uncheck("#overlay-on")
    assert page.locator("#stage .laid-over").is_hidden()


def test_rd_has_the_colours_of_its_sample_or_those_from_0_to_1(open_report, run):
    page = open_report(run)
    view(page, "a")
    page.keyboard.press("o")
    page.fill("#opacity", "100")
    page.wait_for_function("document.querySelector('#stage .laid-over').complete")
    assert close(colour(page, 0.35), YELLOW)
    assert page.locator(".scale").inner_text().split() == ["0.125", "0.875"]
    page.keyboard.press("Tab")
    page.keyboard.press("f")
    paler = tuple(round(247 + (0.375 / 0.5) ** 0.5 * (level - 247)) for level in YELLOW)
    assert close(colour(page, 0.35), paler)
    assert page.locator(".scale").inner_text().split() == ["0", "1"]
    assert page.locator("#strip figcaption").last.inner_text() == "RD of ir, 0 to 1"
    page.keyboard.press("Escape")
    assert page.locator("#whole-grid input").is_checked()  # one choice for the whole page
    page.locator("#whole-grid input").uncheck()
    view(page, "a")
    assert close(colour(page, 0.35), YELLOW)


def test_keys_walk_through_the_grid_in_its_order(open_report, run):
    page = open_report(run)
    sort(page, "largest gain")
    view(page, "a")
    expected = playwright.expect(page.locator("#viewer-title"))
    page.keyboard.press("ArrowLeft")
    expected.to_have_text("c")
    page.keyboard.press("ArrowLeft")  # there is none before
    expected.to_have_text("c")
    for name in ("a", "b", "d"):
        page.keyboard.press("ArrowRight")
        expected.to_have_text(name)
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#viewer").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#viewer").is_hidden()
    # the focus comes back with the event of closing, a moment later
    playwright.expect(page.locator(":focus .id")).to_have_text("d")


def test_keys_work_after_a_click_on_any_button(open_report, run):
    page = open_report(run)
    view(page, "a")
    page.locator("#pairs button").nth(1).click()
    page.keyboard.press("1")
    assert page.locator("#name-left").inner_text() == "IFCNN"
    page.click("#next")
    page.click("#next")
    page.click("#next")
    assert page.get_attribute("#next", "aria-disabled") == "true"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#viewer-title").inner_text() == "c"


def test_a_sample_opens_again(open_report, run):
    page = open_report(run)
    view(page, "a")
    page.keyboard.press("+")
    page.click("#close")
    view(page, "a")
    page.wait_for_function("document.querySelector('#strip img').style.transform !== ''")
    assert page.evaluate("region.factor") == 1
    assert close(colour(page, 0.35), RED)


def test_zoom_in_step(open_report, run):
    page = open_report(run)
    view(page, "a")
    whole = transforms(page)
    small = page.locator("#strip .view img").first
    before = small.evaluate("one => one.style.transform")
    page.locator("#stage").hover(position={"x": 100, "y": 100})
    page.mouse.wheel(0, -400)
    page.wait_for_function(
        "one => document.querySelector('#stage img').style.transform !== one", arg=whole[0]
    )
    zoomed = transforms(page)
    assert len(set(zoomed)) == 1  # left and right
    assert small.evaluate("one => one.style.transform") != before
    assert "enlarged" in page.get_attribute("#image-left", "class")
    assert (
        page.locator("#image-left").evaluate("one => getComputedStyle(one).imageRendering")
        == "pixelated"
    )
    page.mouse.down()
    page.mouse.move(500, 500)
    page.mouse.up()
    assert transforms(page) != zoomed
    page.locator("#stage").dblclick()
    assert transforms(page) == whole
    page.keyboard.press("+")
    page.keyboard.press("z")
    assert transforms(page) == whole


def test_zoom_keeps_the_point_under_the_pointer(open_report, run):
    page = open_report(run)
    view(page, "a")
    seen = """([x, y]) => {
        const view = document.querySelector("#stage"), {scale, offset} = placed(view);
        return [(x - offset[0]) / scale, (y - offset[1]) / scale];
    }"""
    point = [500, 200]
    before = page.evaluate(seen, point)
    page.evaluate("([x, y]) => zoomAt(document.querySelector('#stage'), 3, x, y)", point)
    assert page.evaluate(seen, point) == pytest.approx(before)


def test_side_by_side_shows_all(open_report, run):
    page = open_report(run)
    view(page, "a")
    page.keyboard.press("p")
    assert page.locator("#stage").is_hidden()
    both = "|IFCNN+TTD − IFCNN| × 10"
    maps = ["RD of vi, 0.50 ± 0.38", "RD of ir, 0.50 ± 0.38"]  # of 0.125 to 0.875
    names = ["vi", "ir", "IFCNN", "IFCNN+TTD", both, *maps]
    assert page.locator("#strip figcaption").all_inner_texts() == names
    assert all(box.bounding_box()["height"] > 150 for box in page.locator("#strip .view").all())


def test_point_of_a_plot_opens_its_image(open_report, run):
    page = open_report(run)
    plot = page.locator("#figures figure").first.locator("svg").first
    assert "2 of 4 better" in plot.get_attribute("aria-label")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    where = page.evaluate("plotPoints('differences', 0, samples).map(one => one.sample.id)")
    assert where == ["d", "b", "a", "c"]
    path = plot.locator(".dots").first.get_attribute("d")  # of the first data: b, a, c
    x, y = map(float, path.split("h0")[2].removeprefix("M").split())
    scale = box["width"] / page.evaluate("PLOT.width")
    page.mouse.click(box["x"] + x * scale, box["y"] + y * scale)
    assert page.locator("#viewer-title").inner_text() == "c"


def test_light_and_dark(open_report, run):
    def ground(page) -> int:
        colours = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(colours.removeprefix("rgb(").split(",")[0])

    light, dark = (open_report(run, color_scheme=scheme) for scheme in ("light", "dark"))
    assert ground(light) > 200
    assert ground(dark) < 60
    light.click("#theme")
    assert ground(light) < 60
    light.click("#theme")
    assert ground(light) > 200


def test_hostile_names_stay_text(open_report, tmp_path):
    hostile = FakeData(
        gains=(1,),
        ids=(HOSTILE,),
        done=1,
        name=f"</script>{HOSTILE}",
        sources=("vi", '"><svg onload=alert(1)>'),
    )
    names = (STATIC, TTD, FakeMethod(HOSTILE + "2", "network", 1, BLUE))
    page = open_report(make_run(tmp_path, hostile, methods=names, theorem=True))
    assert page.locator(".tile .id").first.text_content() == HOSTILE
    assert page.locator("#tables small").first.text_content().startswith(hostile.name)
    page.locator(".tile").click()
    assert page.locator("#viewer-title").text_content() == HOSTILE
    page.keyboard.press("3")
    page.wait_for_function("document.querySelector('#image-left').naturalWidth > 0")
    page.select_option("#overlay-source", index=1)
    page.keyboard.press("Escape")
    assert page.locator("img[onerror], svg[onload]").count() == 0
    assert page.locator(".tile img").evaluate("one => one.naturalWidth") == 24


def test_unfinished_run_says_so(open_report, tmp_path):
    page = open_report(make_run(tmp_path, FakeData(done=2)))
    assert page.locator("#status").inner_text().startswith("Unfinished: 2 images done")
    assert "2 of 3 images" in page.locator("#subtitle").inner_text()
    assert tiles(page) == ["a", "b"]


def test_runs_with_nothing_done(open_report, tmp_path):
    page = open_report(make_run(tmp_path, FakeData(done=0)))
    assert page.locator("#tables").inner_text().endswith("No image is done yet.")
    for name in ("plots", "dominability", "theorem", "images", "compared"):
        assert page.locator(f"#{name}").is_hidden()


def test_a_network_alone(open_report, tmp_path):
    page = open_report(make_run(tmp_path, FakeData(), methods=(STATIC,)))
    assert tiles(page) == ["a", "b", "c"]
    assert page.locator("#dominability").is_hidden()
    assert page.locator("#figures figure").count() == 2
    assert page.locator("#plots-note").inner_text().startswith("IFCNN, one point per image")
    assert page.locator(".delta").count() == 0
    page.select_option("#before", label="vi alone")  # EN of −1
    assert page.locator(".delta").all_text_contents() == ["+1.000", "+2.000", "+3.000"]
    view(page, "a")
    assert page.locator("#overlay").is_hidden()
    shown = page.locator("#strip figcaption:visible").all_inner_texts()
    assert shown == ["vi", "ir", "IFCNN", "|IFCNN − vi| × 10"]


def test_fused_pictures_alone(open_report, tmp_path):
    fused = make_run(tmp_path, FakeData(), methods=(STATIC,))
    shutil.rmtree(fused / "vif" / "sources")
    page = open_report(fused)
    view(page, "a")
    assert close(colour(page, 0.35), RED)
    assert page.locator("#strip figcaption:visible").all_inner_texts() == ["IFCNN"]


def test_a_table_of_many_methods(open_report, many):
    page = open_report(many)
    rows = [row.split("\t") for row in page.locator("#tables tbody tr").all_inner_texts()]
    assert [row[0] for row in rows] == [
        *("vi alone", "ir alone", "other tool", "IFCNN", "IFCNN+TTD", "IFCNN+TTD (authors)"),
        *("Δ IFCNN+TTD", "95 % interval", "improved"),
        *("Δ IFCNN+TTD (authors)", "95 % interval", "improved"),
    ]
    assert rows[5] == ["IFCNN+TTD (authors)", "2.50*", "7.50*", "11.00", "2.00"]  # ms, rank
    assert rows[2] == ["other tool", "0.25=", "9.75=", "", "3.00"]  # of three images, no p is small
    assert rows[6][1:3] == ["+0.750", "−0.750"]
    assert rows[9][1:3] == ["+1.500", "−1.500"]
    assert page.locator("#tables .best").all_inner_texts() == ["2.50*", "7.50*"]


def test_the_page_shows_what_the_terminal_prints(open_report, tmp_path):
    """Every mean with its mark, time, rank and improved share; differences with more digits."""
    gains = tuple(k / 7 - 0.4 for k in range(8))
    data = FakeData(gains=gains, ids=tuple("abcdefgh"), done=8)
    run = make_run(tmp_path, data, methods=(FOLDER, STATIC, TTD, AUTHORS), pictures=False)
    (result,) = Run.open(run).about["results"]
    page = open_report(run)
    rows = [row.split("\t") for row in page.locator("#tables tbody tr").all_inner_texts()]
    for name, row in zip(result["methods"], rows, strict=False):
        printed = [number(result["means"][name][k]) + mark(result, name, k) for k in ("EN", "CE")]
        times, ranks = result["median_ms_per_image"], result["overall_rank"]
        printed += [number(times[name]) if name in times else ""]
        printed += [number(ranks[name]) if name in ranks else ""]
        assert row == [name, *printed]
    improved = [row[1:3] for row in rows if row[0] == "improved"]
    assert improved == [
        [share(found[k]["improved"]) for k in ("EN", "CE")]
        for found in result["differences"].values()
    ]


def test_a_chosen_pair_is_what_plots_and_cards_compare(open_report, many):
    page = open_report(many)
    assert page.locator(".delta").all_text_contents() == ["+0.500", "−0.250", "+2.000"]
    first = page.locator("#figures figure").first
    assert "2 of 3 better" in first.text_content()
    page.select_option("#after", label="IFCNN+TTD (authors)")
    assert page.locator(".delta").all_text_contents() == ["+1.000", "−0.500", "+4.000"]
    page.select_option("#before", label="other tool")
    assert page.locator(".delta").all_text_contents() == ["+1.500", "−0.750", "+6.000"]
    assert "3 images" in first.text_content()  # the summary does not compare the two
    assert (
        page.locator("#plots-note").inner_text().startswith("IFCNN+TTD (authors) minus other tool")
    )
    page.select_option("#before", label="nothing")
    assert page.locator(".delta").count() == 0
    assert page.locator("#plot-kind").is_hidden()
    view(page, "a")
    assert page.locator("#name-left").inner_text() == "IFCNN"


def test_the_viewer_compares_any_two_methods(open_report, many):
    page = open_report(many)
    page.select_option("#after", label="other tool")
    view(page, "c")
    assert page.locator("#name-left").inner_text() == "IFCNN"
    assert close(colour(page, 0.65), FOLDER.colour)
    page.select_option("#left", label="IFCNN+TTD (authors)")
    page.wait_for_function("document.querySelector('#image-left').complete")
    assert close(colour(page, 0.35), AUTHORS.colour)
    table = page.locator("#numbers .values")
    assert table.locator("thead th").all_inner_texts()[-3:] == [
        *("IFCNN+TTD (authors)", "other tool", "difference"),
    ]
    assert table.locator("tbody tr").first.inner_text().split("\t") == [
        *("EN ↑", "6.00", "0.00", "−6.000"),
    ]
    page.select_option("#right", label="ir")
    assert table.locator("tbody tr").first.inner_text().split("\t")[2] == "−1.00"
    captions = page.locator("#numbers caption").all_inner_texts()
    assert captions == ["RD of IFCNN+TTD (authors)", "Theorem of IFCNN+TTD (authors)"]
    assert "vi, IFCNN+TTD (authors)" in page.locator("#overlay-source option").all_inner_texts()


def test_equal_values_are_neither_better_nor_worse(open_report, tmp_path):
    page = open_report(make_run(tmp_path, FakeData(gains=(0, 0, 1))))
    classes = page.locator(".delta").evaluate_all("all => all.map((one) => one.className.trim())")
    assert classes == ["delta", "delta", "delta better"]
    assert page.locator("#figures figure").first.text_content().startswith("EN ↑1 of 3 better")
    view(page, "a")
    assert page.locator("#numbers .better, #numbers .worse").count() == 0


def test_of_a_metric_that_is_best_at_0_sizes_are_drawn(open_report, tmp_path):
    run = make_run(tmp_path, FakeData(gains=(-1, -3, -2)))  # from 0, 1, 2 to −1, −2, 0
    about = (run / "summary.json").read_text().replace('"higher"', '"zero"')
    (run / "summary.json").write_text(about)
    page = open_report(run)
    assert page.locator("#figures b").first.text_content() == "|EN| →0"
    points = page.evaluate(
        "plotPoints('differences', 0, samples).map(({sample, y}) => [sample.id, y])"
    )
    assert points == [["a", 1], ["b", 1], ["c", -2]]
    assert page.locator(".delta").all_text_contents() == ["−1.000", "−3.000", "−2.000"]


def test_halves_are_rounded_as_in_the_terminal(open_report, run):
    page = open_report(run)
    shares, values = [k / 8 for k in range(9)], [0.125, 0.375, 2.5, -0.125, 1e6, -0.001]
    assert page.evaluate("all => all.map(percent)", shares) == [share(one) for one in shares]
    assert page.evaluate("all => all.map((one) => number(one))", values[:5]) == [
        number(one) for one in values[:5]
    ]


def test_conditions_are_sections_of_their_data_and_may_be_chosen(open_report, tmp_path):
    draws = [
        FakeCondition(f"noise {level}, draw {k}", f"noise {level}", "noise", level, -level)
        for level in (0.25, 0.5)
        for k in (1, 2)
    ]
    run = make_run(tmp_path, FakeData(), conditions=tuple(draws), pictures=False)
    page = open_report(run)
    (card,) = page.locator("#tables .card").all()
    assert card.locator("h4").all_inner_texts() == [
        f"noise {level}3 images, mean of 2 draws" for level in (0.25, 0.5)
    ]
    assert page.locator("#legend").inner_text().split("\n") == [
        "VIF · noise 0.25",
        "VIF · noise 0.5",
    ]
    assert "4 of 6 better" in page.locator("#figures figure").first.text_content()
    page.select_option("#condition", label="noise 0.5")
    assert card.locator("h4").count() == 1
    assert "2 of 3 better" in page.locator("#figures figure").first.text_content()
    assert page.locator("#weights .card").count() == 1
    for hidden in ("#images", "nav a[href='#images']", "a.skip"):  # there are no pictures
        assert page.locator(hidden).is_hidden()
    page.locator("#figures svg").first.click()
    assert page.locator("#viewer").is_hidden()


def test_narrow_window_does_not_scroll_sideways(open_report, tmp_path):
    methods = (FOLDER, STATIC, TTD, AUTHORS)
    run = make_run(tmp_path, FakeData(), OTHER, methods=methods, theorem=True, truth=True)
    page = open_report(run, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    view(page, "a")
    assert page.evaluate("document.querySelector('#viewer').scrollWidth") <= 390


@pytest.mark.slow
def test_a_thousand_samples_load_few_images(open_report, tmp_path):
    ids = tuple(f"pair {k}" for k in range(1000))
    gains = tuple(float(k % 7) for k in range(1000))
    page = open_report(make_run(tmp_path, FakeData(gains=gains, ids=ids, done=1000)))
    assert page.locator(".tile").count() == 1000
    assert page.evaluate("performance.now()") < 10_000  # alone on this machine 700
    assert sum(url.endswith(".png") for url in page.requested) < 60
    assert sort(page, "largest gain")[:2] == ["pair 6", "pair 13"]
    page.locator(".tile").last.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    assert sum(url.endswith(".png") for url in page.requested) < 250
    view(page, "pair 999")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#viewer-title").inner_text() != "pair 999"


@pytest.mark.slow
def test_the_built_in_scenes_are_small_and_open_at_once(open_report, tmp_path):
    from fusionlab.cli.evaluate import main

    main(["--ttd", "--wandb", "disabled", "--output", str(tmp_path)])
    (run,) = tmp_path.iterdir()
    size = sum(path.stat().st_size for path in (run / "report").rglob("*") if path.is_file())
    assert size < 10e6
    page = open_report(run)
    page.wait_for_function("document.querySelectorAll('.tile').length > 0")
    loaded = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert 0 < page.evaluate(loaded) < 2000  # milliseconds; a tenth of it on an idle machine
    assert page.locator(".tile").count() == 16
