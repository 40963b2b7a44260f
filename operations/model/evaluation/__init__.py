"""What a model knows: rows asked, answers counted and reported, and what follows from them."""
