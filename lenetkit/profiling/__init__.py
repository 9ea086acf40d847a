"""Where the time and memory of a step go, part by part.

The training loop itself (`training.loop`) is timed, on random images of the spec's shape, with a
network that notes the time whenever one of its layers is done. So a step is divided into parts that
leave nothing out: preparing the batch, each layer forward, the loss, each layer backward, the
update.
"""
