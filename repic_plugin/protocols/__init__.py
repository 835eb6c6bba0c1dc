"""The forms and steps that Scipion shows and runs."""
