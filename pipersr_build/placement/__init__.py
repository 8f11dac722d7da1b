"""Can the ANE run it, and will it: rules as data, and Core ML's own compute plan on a Mac."""
