"""Files that edgecnn did not make: fed, tried in other ways, and verified."""
