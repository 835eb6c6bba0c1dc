"""Pictures: pure functions, data in and a matplotlib Figure out."""
