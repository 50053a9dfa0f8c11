"""What makes the demo detector and its sample scenes; not part of the installed package."""
