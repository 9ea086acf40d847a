"""The conformance suite: what every plugin promises, as checks. Its face is `lenetkit.testing`.

One module a kind; layers have five (`layer_shapes`, `layer_gradients`, `layer_memory`,
`layer_modes`, and `passes` with what a pass needs). `numeric` compares gradients with central
differences, `compare` arrays, `other_options` changes options, `reloading` makes a class anew as a
new process would, `suite` gathers checks, `report` says what came of them, and
`examples` makes objects to check a class with.
"""
