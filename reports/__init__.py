"""From the ledger to tables, figures and pages.

`tables` collects results as tidy tables, and `stream_results` derives from them what is shown of one stream.
`analysis` compares and judges, `figures` draws, `page` writes the report, `site` writes the accepted results as one
site, and `accepted_results` keeps results in git. `labels`, `label_notes` and `floors` hold what tables say beside
their numbers; `latex_tables` and `text_tables` are forms of tables.
"""
