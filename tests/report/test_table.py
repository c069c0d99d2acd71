import io

from rich.console import Console

from fusionlab.report.table import comparisons, tables


def printed(scores) -> str:
    console = Console(file=io.StringIO(), width=80)
    for table in tables("VIF: pairs, 3 images", "IFCNN", scores):
        console.print(table)
    return console.file.getvalue()


def row(text: str, name: str, nth: int = 0) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip().startswith(name)]
    return lines[nth].replace(name, "", 1).split()


def test_the_table_reads_like_the_paper_s(scores):
    text = printed(scores)
    assert text.splitlines()[0].strip() == "VIF: pairs, 3 images"
    assert "EN↑" in text
    assert "CE↓" in text
    assert row(text, "IFCNN ") == ["2.00", "12.00", "5.00"]  # the last is the median time
    assert row(text, "IFCNN+TTD") == ["3.00", "10.00", "9.00"]
    assert row(text, "vi alone") == ["5.00", "–"]
    assert row(text, "difference") == ["+1.000", "−2.000"]
    assert row(text, "95 % from") == ["+1.000", "−2.000"]
    assert row(text, "improved") == ["100", "%", "100", "%"]


def test_the_ground_truth_has_a_table_of_its_own(scores):
    text = printed(scores)
    assert "against the ground truth" in text
    assert "PSNR↑" in text
    assert row(text, "IFCNN ", nth=1) == ["40.00"]
    assert row(text, "difference", nth=1) == ["−1.000"]
    assert row(text, "improved", nth=1) == ["0", "%"]


def test_a_row_of_fewer_images_says_of_how_many(scores):
    scores.indices["vi alone"] = scores.indices["vi alone"][:2]
    scores.values["vi alone"] = scores.values["vi alone"][:2]
    assert "vi, n = 2" in printed(scores)


def test_without_ttd_there_is_nothing_to_compare(scores):
    scores.fused_rows = ["static"]
    assert comparisons(scores) == {}
    assert "difference" not in printed(scores)
