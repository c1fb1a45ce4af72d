"""Training adapters (LoRA) of LLMs on what a prompt asks and a perfect model answers."""
