extension Tap {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "tap",
          "type": "object",
          "properties": {
            "type": { "const": "tap" },
            "multiQueue": { "type": "boolean", "default": false, "description": "several queues" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 is the kernel's" },
            "mac": { "type": "string", "description": "the hardware address" },
            "owner": { "type": "integer", "minimum": 0, "maximum": 4294967295, "description": "the user who may attach to it" },
            "group": { "type": "integer", "minimum": 0, "maximum": 4294967295, "description": "the group that may attach to it" },
            "selinuxContext": { "type": "string", "description": "the SELinux context that the device gets" },
            "bridge": { "type": "string", "maxLength": 15, "description": "a bridge in the container" },
            "ipam": { "type": "object", "properties": { "type": { "type": "string" } } },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" },
            "args": { "type": "object" },
            "runtimeConfig": { "type": "object", "properties": { "mac": { "type": "string" } } }
          }
        }
        """
}
