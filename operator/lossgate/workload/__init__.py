"""Revisions of a model as Deployments, and the Services in front of them: manifests out, what is seen in."""
