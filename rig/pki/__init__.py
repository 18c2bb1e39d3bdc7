"""The line's authority: it admits nodes, gives them certificates, and takes them back."""
