"""What all files share: errors, atomic writing, arrays, text tables, STAR."""
