"""The playground: the instrument as a static page, which needs no Python once it is built."""
