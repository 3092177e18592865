"""`python -m cli` is `loc`."""

from cli.main import main

main()
