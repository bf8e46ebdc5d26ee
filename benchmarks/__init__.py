"""Speed, measured side by side in one run. `make bench` writes RESULTS.md; no test asserts a time."""
