"""What following intents costs: `world.py` starts the processes, `run.py` measures and reports."""
