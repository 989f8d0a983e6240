"""The page: one HTML file with the report's rows and charts, which opens without a network.

``document`` makes its data from the same rows as every other format; ``html`` puts data, scripts, style and Apache
ECharts into one file. Text from results reaches the page as JSON and is written into it as text.
"""
