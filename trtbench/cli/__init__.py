"""The command line: words become specs, a stage is called, its result is printed."""
