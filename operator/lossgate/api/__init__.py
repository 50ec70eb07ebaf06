"""The ModelRollout resource: typed spec and status, the words they use, and the CRD generated from them."""
