"""One function per subcommand; joins the rooms below and returns a value."""
