"""From the ledger to tables, figures and pages.

`tables` collects results as tidy tables, and `stream_results` derives from them what is shown of one stream.
`analysis` compares and judges, `figures` draws, `page` writes the report, and `accepted_results` keeps results in git.
"""
