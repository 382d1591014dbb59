"""The base of the tests in network namespaces: nodes, pods, sidecars, the interceptor, the plugin."""
