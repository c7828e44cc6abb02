extension Vlan {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "vlan",
          "type": "object",
          "properties": {
            "type": { "const": "vlan" },
            "master": { "type": "string", "minLength": 1, "maxLength": 15, "description": "the interface that carries the VLAN" },
            "vlanId": { "type": "integer", "minimum": 0, "maximum": 4094, "default": 0, "description": "the VLAN's number" },
            "protocol": { "enum": ["", "802.1Q", "802.1q", "802.1ad", "802.1AD"], "default": "802.1Q", "description": "802.1ad: the outer tag of QinQ" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the master's" },
            "linkInContainer": { "type": "boolean", "default": false, "description": "the master is in the container" },
            "ipam": {
              "type": "object",
              "properties": { "type": { "type": "string", "minLength": 1, "description": "the plugin that gives addresses" } },
              "required": ["type"]
            },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" }
          },
          "required": ["master", "ipam"]
        }
        """
}
