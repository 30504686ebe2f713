"""The texts of every language, and how they are found."""
