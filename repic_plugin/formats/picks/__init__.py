"""Pick files, one module a format, the registry that finds them, and folders of them."""
