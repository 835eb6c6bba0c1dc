"""What our own commands and protocols write and read again."""
