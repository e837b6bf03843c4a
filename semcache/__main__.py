"""`python -m semcache`: the command line."""

from semcache.cli.program import main

if __name__ == "__main__":
    main()
