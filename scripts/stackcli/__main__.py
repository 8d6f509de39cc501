"""`python -m stackcli`: runs the command line."""

from stackcli.cli import main

if __name__ == "__main__":
    main()
