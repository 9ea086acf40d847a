"""Data sets: where they come from (`source`, `mnist`, `folder`, `synthetic`), how their files are
read (`idx`, `download`), and what is done to images on the way to the network (`transforms`,
`distortions`, `pipeline`) and how image files become such images (`images`, `ink`, `digits`)."""
