"""Agreement beyond chance: the same search on decoys, whose picks cannot agree but by chance."""
