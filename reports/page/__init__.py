"""The report of a suite: one HTML page, its sections, and the same as Markdown and files.

`report` puts the page together; each other module builds the tables or sentences of one section.
"""
