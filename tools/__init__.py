"""What developers run once in a while; nothing of it is needed to run a site."""
