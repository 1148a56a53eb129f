"""The four dashboards for Grafana, as code.

Each is a file; `frame` gives them what they share, `panels` how a panel looks, `render` writes
them out. Needs grafana-foundation-sdk, so it is for those who change dashboards; what it renders
is in the package, and `stream-cl dashboards export` needs nothing.
"""
