extension Macvlan {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "macvlan",
          "type": "object",
          "properties": {
            "type": { "const": "macvlan" },
            "master": { "type": "string", "maxLength": 15, "description": "the interface it is made on; else the default route's" },
            "mode": { "enum": ["", "bridge", "private", "vepa", "passthru"], "default": "bridge" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the master's" },
            "mac": { "type": "string", "description": "the hardware address" },
            "linkInContainer": { "type": "boolean", "default": false, "description": "the master is in the container" },
            "bcqueuelen": {
              "type": "integer", "minimum": 0, "maximum": 4294967295, "default": 0,
              "description": "how many broadcast packets may wait; 0 is the kernel's default"
            },
            "ipam": { "type": "object", "properties": { "type": { "type": "string" } } },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" },
            "runtimeConfig": { "type": "object", "properties": { "mac": { "type": "string" } } }
          }
        }
        """
}
