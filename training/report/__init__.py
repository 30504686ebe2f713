"""A trained net in, a folder out: figures as JSON, pictures, one page, and runs side by side."""
