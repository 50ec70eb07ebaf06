"""The command line: `lossgate`."""
