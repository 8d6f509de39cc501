"""From an archive to a record in the model store. Runs in the builder's process, and none of the model's code in it."""
