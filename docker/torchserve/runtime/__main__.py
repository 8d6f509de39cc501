"""`python -m runtime`: the container's entrypoint."""

import sys

from runtime.entrypoint import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
