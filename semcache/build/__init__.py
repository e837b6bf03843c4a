"""From corpus files to a bundle. Never imports the lookup side."""
