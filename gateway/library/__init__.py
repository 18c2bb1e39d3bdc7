"""The library of function groups, and stations composed of them."""
