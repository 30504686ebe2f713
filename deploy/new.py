"""The old name of `python -m bot new`. It goes with the next release."""

import sys

if __name__ == "__main__":
    sys.exit("python -m deploy.new is now: python -m bot new")
