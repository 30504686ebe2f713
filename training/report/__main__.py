"""`python -m training.report` is `python -m training report` now."""

import sys

sys.exit("`python -m training.report` has a new name: python -m training report artifacts/NAME.pkl")
