"""The report of an evaluation: one folder that a browser opens from disk.

:func:`write_report` lays three things side by side: the page (``assets``, copied as they are), its
data (``data.js``, made here) and links of the run's images. The page builds itself from the data
as text, never as markup, so that no name can become a part of it.
"""

from fusionlab.report.html.build import ReportWriter, write_report

__all__ = ["ReportWriter", "write_report"]
