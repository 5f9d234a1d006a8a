"""What stands before Gradio's routes: open addresses, checked payloads, bounded uploads."""
