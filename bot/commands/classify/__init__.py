"""`python -m bot classify`: photos and folders in; a line a photo, CSV, JSON or sorted copies out."""
