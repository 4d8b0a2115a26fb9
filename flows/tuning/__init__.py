"""The hyper-parameter search: Optuna studies, and the chosen numbers in params.yaml."""
