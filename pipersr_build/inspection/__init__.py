"""What is in a package that anyone made: its words about itself, its graph, its weights, its margins."""
