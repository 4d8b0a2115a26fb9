"""From the ledger to tables, figures and pages."""
