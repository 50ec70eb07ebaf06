"""The operator: kopf feeds a work queue; each turn observes, decides, writes the status, then changes the world."""
