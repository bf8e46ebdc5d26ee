"""The proof that nothing is lost and nothing is sent twice: every crash point, random histories, chaos.

`make proof` runs all of it and writes docs/proof.md; a short form runs with the tests.
"""
