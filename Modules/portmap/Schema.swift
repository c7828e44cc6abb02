extension Portmap {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "portmap",
          "type": "object",
          "properties": {
            "type": { "const": "portmap" },
            "backend": { "enum": ["", "nftables", "iptables"], "description": "nftables, unless an option of iptables is used" },
            "snat": { "type": "boolean", "default": true, "description": "masquerade clients of the container's network and of localhost" },
            "masqAll": { "type": "boolean", "default": false, "description": "masquerade all clients" },
            "conditionsV4": { "$ref": "#/$defs/conditions" },
            "conditionsV6": { "$ref": "#/$defs/conditions" },
            "markMasqBit": {
              "type": "integer", "minimum": 0, "maximum": 31, "default": 13,
              "description": "iptables: the bit of the mark of what is to be masqueraded"
            },
            "externalSetMarkChain": {
              "type": "string", "maxLength": 28, "description": "iptables: a chain of table nat that sets the mark, in place of ours"
            },
            "allowPortConflicts": {
              "type": "boolean", "default": false, "description": "wait for a host port that another container has, in place of an error"
            },
            "runtimeConfig": {
              "type": "object",
              "properties": {
                "portMappings": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["hostPort", "containerPort"],
                    "properties": {
                      "hostPort": { "$ref": "#/$defs/ports" },
                      "containerPort": { "$ref": "#/$defs/ports" },
                      "protocol": { "enum": ["tcp", "udp", "sctp"], "default": "tcp" },
                      "hostIP": { "type": "string" }
                    }
                  }
                }
              }
            }
          },
          "$defs": {
            "conditions": {
              "type": "array", "items": { "type": "string" },
              "description": "what packets have to match besides the port, in the words of nft, or of iptables"
            },
            "ports": {
              "oneOf": [
                { "type": "integer", "minimum": 1, "maximum": 65535 },
                { "type": "string", "pattern": "^[0-9]+-[0-9]+$", "description": "a range: 8000-8010" }
              ]
            }
          }
        }
        """
}
