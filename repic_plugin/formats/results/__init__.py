"""Files that the commands and protocols write and read back."""
