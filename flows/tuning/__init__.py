"""The search for hyper-parameters: Optuna's studies, and the chosen numbers in params.yaml."""
