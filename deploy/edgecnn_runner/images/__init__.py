"""Images: where they come from, decoded, brought to the model's size, and fed to it."""
