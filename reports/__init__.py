"""From the ledger to tables, figures and pages.

`tables` collects results as tidy tables; `stream_results` derives what tables, figures and sentences need of one stream.
`analysis` compares and judges, `figures` draws, `page` puts the report together, `accepted_results` keeps results in git.
"""
