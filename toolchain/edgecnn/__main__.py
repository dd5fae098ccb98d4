"""``python -m edgecnn``: the same as the command ``edgecnn``."""

from edgecnn.cli.app import main

if __name__ == "__main__":
    main()
