"""The one place that opens Redis: a server, a Sentinel's master or a cluster, with TLS and passwords by setting.

`address.py` reads a URL, `settings.py` has what a service takes from its environment, `link.py` opens it.
"""
