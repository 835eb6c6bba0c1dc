"""The demos: simulated data through a Scipion project, with a table and a picture."""
