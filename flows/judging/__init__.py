"""The verdict on a run: evidence from the ledger and the accepted results, the verdict, and remarks in sentences.

The statistics are in `reports.analysis.judgement`; here they meet the ledger, git and the machine.
"""
