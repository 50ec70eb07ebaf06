"""The command line: `lossgate`, also as `kubectl lossgate`."""
