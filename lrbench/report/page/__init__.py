"""The page: one HTML file with the report's rows and charts, which opens without a network.

``document`` gathers what it shows from the same rows as every other format; ``html`` puts that, the scripts, the style
and Apache ECharts into one file. All text of anybody's reaches the page as JSON and is written into it as text.
"""

from lrbench.report.page.document import page_document
from lrbench.report.page.html import page_data, page_html

__all__ = ["page_data", "page_document", "page_html"]
