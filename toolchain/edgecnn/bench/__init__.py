"""How fast each file is on a device, and what it takes there. The stage that measures."""
