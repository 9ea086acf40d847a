"""Where the time and the memory of a step go, part by part.

What is timed is the loop that trains, `training.train` itself, on random images of the spec's
shape; the network notes the time when each of its layers is done. A step is thus cut into parts
that leave nothing out: preparing the batch, each layer forward, the loss, each layer backward, the
update.
"""
