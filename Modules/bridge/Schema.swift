extension Bridge {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "bridge",
          "type": "object",
          "properties": {
            "type": { "const": "bridge" },
            "bridge": { "type": "string", "maxLength": 15, "default": "cni0", "description": "the bridge's name" },
            "isGateway": { "type": "boolean", "default": false, "description": "give the bridge the gateway's address" },
            "isDefaultGateway": { "type": "boolean", "default": false, "description": "isGateway, and the container's default route" },
            "forceAddress": { "type": "boolean", "default": false, "description": "replace another address of the bridge" },
            "ipMasq": { "type": "boolean", "default": false, "description": "masquerade what leaves the network" },
            "ipMasqBackend": { "enum": ["", "nftables", "iptables"], "default": "nftables" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the kernel's" },
            "hairpinMode": { "type": "boolean", "default": false },
            "promiscMode": { "type": "boolean", "default": false },
            "enabledad": { "type": "boolean", "default": false, "description": "detect duplicate IPv6 addresses" },
            "disableContainerInterface": { "type": "boolean", "default": false },
            "portIsolation": { "type": "boolean", "default": false },
            "vlan": { "type": "integer", "minimum": 0, "maximum": 4094, "default": 0, "description": "VLAN of the container; 0 is none" },
            "vlanTrunk": {
              "type": "array",
              "description": "VLANs that the container sends and gets with a tag",
              "items": {
                "type": "object",
                "properties": {
                  "minID": { "$ref": "#/$defs/vlanID" }, "maxID": { "$ref": "#/$defs/vlanID" }, "id": { "$ref": "#/$defs/vlanID" }
                },
                "dependentRequired": { "minID": ["maxID"], "maxID": ["minID"] },
                "anyOf": [{ "required": ["id"] }, { "required": ["minID"] }, { "required": ["maxID"] }]
              }
            },
            "preserveDefaultVlan": { "type": "boolean", "default": false, "description": "stay in the bridge's default VLAN too" },
            "macspoofchk": { "type": "boolean", "default": false, "description": "drop frames with another source address" },
            "ipam": { "type": "object", "properties": { "type": { "type": "string" } } },
            "dns": { "type": "object" },
            "runtimeConfig": { "type": "object", "properties": { "mac": { "type": "string" } } },
            "args": { "type": "object", "properties": { "cni": { "type": "object", "properties": { "mac": { "type": "string" } } } } }
          },
          "$defs": { "vlanID": { "type": "integer", "minimum": 1, "maximum": 4094 } },
          "not": { "required": ["hairpinMode", "promiscMode"], "properties": { "hairpinMode": { "const": true }, "promiscMode": { "const": true } } }
        }
        """
}
