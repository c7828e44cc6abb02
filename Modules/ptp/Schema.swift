extension Ptp {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "ptp",
          "type": "object",
          "properties": {
            "type": { "const": "ptp" },
            "ipMasq": { "type": "boolean", "default": false, "description": "masquerade what leaves the network" },
            "ipMasqBackend": { "enum": ["", "nftables", "iptables"], "default": "nftables" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the kernel's" },
            "ipam": {
              "type": "object",
              "properties": { "type": { "type": "string", "minLength": 1, "description": "the plugin that gives addresses" } },
              "required": ["type"]
            },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" },
            "runtimeConfig": { "type": "object", "properties": { "mac": { "type": "string" } } }
          },
          "required": ["ipam"]
        }
        """
}
