"""What is measured about the project itself; `python -m benchmarks.bench` times all that is fast to time.

speed: the library, step by step. orchestration: what flows and MLflow add. reliability: kills, long ledgers, defaults,
own data. equivalence: whether two commits compute the same numbers.
"""
