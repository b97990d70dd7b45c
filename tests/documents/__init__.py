"""What the documents show, done: blocks, the distributions they speak of, shells."""
