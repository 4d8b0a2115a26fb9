"""The learning library: methods, streams, networks and the harness; knows no orchestrator, tracker or plot."""
