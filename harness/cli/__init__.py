"""The command `harness`: thin Typer commands over the library."""
