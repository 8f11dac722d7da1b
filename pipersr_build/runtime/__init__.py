"""Use a package: pictures of any size through one fixed tile."""
