"""What a bundle claims about privacy, the checks behind each claim, and the note that says both."""
