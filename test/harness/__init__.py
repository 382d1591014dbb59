"""What tests in network namespaces stand on: nodes, pods, sidecars, the interceptor, the plugin."""
