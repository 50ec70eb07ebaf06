"""Names and numbers that the inside and the outside of the local cluster agree on."""

from __future__ import annotations

from pathlib import Path

__all__ = ["API_ADDRESS", "DNS_ADDRESS", "INSIDE", "NODE", "NODE_ADDRESS", "POD_NETWORK", "SERVICE_NETWORK", "SOCKET"]

INSIDE = Path("/run/lossgate-e2e")
"""Where the state folder is seen from within the cluster's own mounts."""
SOCKET = INSIDE / "containerd.sock"
NODE = "node1"
NODE_ADDRESS = "10.250.0.1"
SERVICE_NETWORK = "10.96.0.0/16"
API_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
POD_NETWORK = "10.244.0.0/24"
