"""What an engine's commands cost a user: images pulled, pushed, loaded, built and run, beside other engines."""
