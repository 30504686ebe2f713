"""The old name of `python -m training collect`. It goes with the next release."""

import sys

if __name__ == "__main__":
    sys.exit("python -m training.collect is now: python -m training collect")
