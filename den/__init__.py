"""The learning library: methods, streams, networks and the harness, without orchestration, tracking or plots."""
