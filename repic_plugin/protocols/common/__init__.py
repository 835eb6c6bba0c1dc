"""Parameters and steps that several protocols share."""
