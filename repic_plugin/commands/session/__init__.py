"""A simulated session at the microscope, and the pipeline that follows it."""
