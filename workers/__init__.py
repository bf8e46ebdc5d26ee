"""The worker fleet: `python -m workers` is one process with several RQ workers as threads, and the pump."""
