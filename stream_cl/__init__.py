"""stream_cl: online learning on live streams, with few labels and no restarts."""

__version__ = "0.1.0"
