"""Others' instruments against our server: the protocol's conformance suite and the inspector."""
