"""Following inputs that grow: which micrographs are ready, batches on record, outputs, remarks."""
