"""The engine: documents run concurrently through a method, every answer journalled on arrival."""
