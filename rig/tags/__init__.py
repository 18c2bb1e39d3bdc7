"""Tag lists: other people's I/O lists read, compared with a station file, merged into it, and written out."""
