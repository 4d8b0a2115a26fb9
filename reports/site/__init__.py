"""One static site of all accepted suites: a board of all methods and streams, every suite's page, and their history.

It needs no server and no network; all links are relative. `pages` writes it.
"""
