"""What every stage of `loc` stands on: media, store, policy, backends, runner."""

__version__ = "0.1.0"
