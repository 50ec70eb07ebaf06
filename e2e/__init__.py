"""End-to-end tests and the demo: everything real, nothing mocked."""
