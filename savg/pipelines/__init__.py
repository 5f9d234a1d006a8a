"""Networks put together into something a user calls.

`savg.pipelines.base` holds the contract, `savg.pipelines.registry` the registered pipelines.
"""
