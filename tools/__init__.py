"""Scripts for developers; none of them is needed to run a site."""
