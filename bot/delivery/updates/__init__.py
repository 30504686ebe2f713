"""A raw update in; what is to be answered of it, by what it is known, and what is needed to answer it later out."""
