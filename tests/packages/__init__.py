"""The hermetic test ground: tiny fake releases, and a real index server on this machine to serve them.

``wheels`` builds releases, ``installed`` rebuilds the suite's own test tools as wheels, ``index`` serves both over HTTP
with faults that can be switched on, ``world`` holds ready-made tables of releases. Nothing here reaches the network.
"""
