"""Analyses of results: comparisons, judgements, trends, growth and optimality.

A module takes one stream's results or series of values, and returns frames, numbers or sentences. It draws no figure
and writes no file.
"""
