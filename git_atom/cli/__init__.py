"""The only room that prints, exits, reads argv, environment or the working directory."""
