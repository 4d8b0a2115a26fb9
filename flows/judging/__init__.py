"""The verdict on a run: evidence from the ledger and the accepted results, the verdict, and remarks in sentences.

`reports.analysis.judgement` has the statistics; these modules apply them to the ledger, git and the machine.
"""
