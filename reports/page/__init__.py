"""The report of a suite: one HTML page, its sections, and the same as Markdown and files.

`report` writes the page. Every other module makes the tables or sentences of one section, from one stream's results.
"""
