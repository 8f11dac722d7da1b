"""From a deploy network to Core ML packages: contracts, conversion, reproducible and atomic writing."""
