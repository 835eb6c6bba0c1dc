"""The window with boxes on micrographs, and its parts."""
