"""The report of a suite: one HTML page, its sections, and the same as Markdown and files.

`report` writes the page, `contents` its list of contents, and `drawings` its figures. Every other module makes the
tables or sentences of one section, from one stream's results.
"""
