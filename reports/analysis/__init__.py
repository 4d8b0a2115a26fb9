"""What results say, as numbers and tables: statistics over seeds, comparisons, judgements, trends, optimality.

Modules take tidy tables or series and return frames, numbers or sentences. They draw nothing and write no file.
"""
