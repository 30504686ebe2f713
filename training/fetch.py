"""The old name of `python -m training fetch`. It goes with the next release."""

import sys

if __name__ == "__main__":
    sys.exit("python -m training.fetch is now: python -m training fetch")
