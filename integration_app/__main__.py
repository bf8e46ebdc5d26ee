"""`python -m integration_app`: the command line, where no script is installed."""

from integration_app.cli import main

main()
