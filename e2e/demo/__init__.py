"""The demo: a real model on a real cluster; one new version is promoted, two are rolled back, nobody touches it."""
