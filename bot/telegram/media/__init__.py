"""A message in; what there is to look at, its bytes and the album that it is of out."""
