"""Networks put together into something a user calls.

`savg.pipelines.base` has the contract, `savg.pipelines.registry` the pipelines there are.
"""
