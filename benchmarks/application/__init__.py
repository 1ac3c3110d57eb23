"""How fast an application's index is made, searched, filtered and changed, as it grows."""
