"""The worker fleet: `python -m workers` is one process, one RQ worker with many slots, and the maintenance loop."""
