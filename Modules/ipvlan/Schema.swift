extension Ipvlan {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "ipvlan",
          "type": "object",
          "properties": {
            "type": { "const": "ipvlan" },
            "master": { "type": "string", "maxLength": 15, "description": "the interface it is made on; else prevResult's or the default route's" },
            "mode": { "enum": ["", "l2", "l3", "l3s"], "default": "l2" },
            "flag": { "enum": ["", "bridge", "private", "vepa"], "default": "bridge", "description": "how those of one master reach one another" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the master's" },
            "linkInContainer": { "type": "boolean", "default": false, "description": "the master is in the container" },
            "ipam": { "type": "object", "properties": { "type": { "type": "string" } } },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" }
          }
        }
        """
}
