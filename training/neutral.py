"""The old name of `python -m training neutral`. It goes with the next release."""

import sys

if __name__ == "__main__":
    sys.exit("python -m training.neutral is now: python -m training neutral")
