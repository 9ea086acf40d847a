"""Data sets (`source`, `mnist`, `folder`, `synthetic`), reading their files (`idx`, `download`),
preparing batches for the network (`transforms`, `distortions`, `pipeline`), and turning image files
into images like a data set's (`images`, `ink`, `digits`)."""
