"""The probabilistic model of several pickers: what it is, how it is fitted and checked."""
