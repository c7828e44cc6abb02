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
            "ipMasqBackend": { "enum": ["", "nftables"] },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the kernel's" },
            "hairpinMode": { "type": "boolean", "default": false },
            "promiscMode": { "type": "boolean", "default": false },
            "enabledad": { "type": "boolean", "default": false, "description": "detect duplicate IPv6 addresses" },
            "disableContainerInterface": { "type": "boolean", "default": false },
            "portIsolation": { "type": "boolean", "default": false },
            "vlan": { "const": 0 },
            "vlanTrunk": { "type": "array", "maxItems": 0 },
            "macspoofchk": { "const": false },
            "ipam": { "type": "object", "properties": { "type": { "type": "string" } } },
            "dns": { "type": "object" },
            "runtimeConfig": { "type": "object", "properties": { "mac": { "type": "string" } } },
            "args": { "type": "object", "properties": { "cni": { "type": "object", "properties": { "mac": { "type": "string" } } } } }
          },
          "not": { "required": ["hairpinMode", "promiscMode"], "properties": { "hairpinMode": { "const": true }, "promiscMode": { "const": true } } }
        }
        """
}
