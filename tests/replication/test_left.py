from dataclasses import replace

from fusionlab.laboratory.replication.page_left import left
from fusionlab.laboratory.replication.published import load_published


def test_what_is_left_is_told_with_its_reason(replicated):
    results, _ = replicated
    found = list(left(load_published(), results))
    reasons = {(number, rows): why for number, _, rows, why in found}
    beside = "LLVIP is not at hand; set beside TNO above"
    assert reasons["1a", "IFCNN and IFCNN+TTD"] == beside
    assert reasons["8", "noise on the parameters"] == beside
    assert reasons["2b", "IFCNN and IFCNN+TTD"] == "MFI-WHU is not at hand"
    assert ("3", "IFCNN and IFCNN+TTD") not in reasons  # MRI-CT is
    learned = reasons["3", "CDD, CDD+TTD, PIAFusion, PIAFusion+TTD"]
    assert learned == "no trained weights of these networks at hand"


def test_nothing_is_left_of_ifcnn_where_all_data_are_at_hand(replicated):
    results, _ = replicated
    published = load_published()
    everywhere = dict.fromkeys((table.data for table in published.tables.values()), 1)
    own = replace(results, at_hand=everywhere)
    assert [rows for _, _, rows, _ in left(published, own) if "IFCNN" in rows] == []
