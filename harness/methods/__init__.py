"""Methods: how one document becomes predictions by asking a model."""
