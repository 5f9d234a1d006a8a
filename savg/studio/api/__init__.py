"""What programs and agents may call: named endpoints over HTTP, shown by "Use via API" and by MCP.

Every other event of the studio belongs to its page alone.
"""
