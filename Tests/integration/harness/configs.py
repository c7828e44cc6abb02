"""Short forms of the configurations that tests use."""


def conflist(*plugins, name="net", version="1.0.0"):
    """A network of these plugins."""
    return {"cniVersion": version, "name": name, "plugins": list(plugins)}


def bridge(*, ipam=None, **keys):
    """The bridge plugin on cni0."""
    config = {"type": "bridge", "bridge": "cni0", **keys}
    return {**config, "ipam": ipam} if ipam else config


def host_local(*subnets, routes=(), **keys):
    """host-local with one range set for each subnet."""
    config = {"type": "host-local", **keys}
    if subnets:
        config["ranges"] = [[{"subnet": subnet}] for subnet in subnets]
    if routes:
        config["routes"] = [{"dst": route} if isinstance(route, str) else route for route in routes]
    return config


def portmap(**keys):
    """The portmap plugin."""
    return {"type": "portmap", "capabilities": {"portMappings": True}, **keys}
