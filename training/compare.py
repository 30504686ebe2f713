"""The old name of `python -m training compare`. It goes with the next release."""

import sys

if __name__ == "__main__":
    sys.exit("python -m training.compare is now: python -m training compare")
