"""The whole stack on this machine, for demo, dev, tests and benchmarks."""
