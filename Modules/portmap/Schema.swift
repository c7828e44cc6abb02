extension Portmap {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "portmap",
          "type": "object",
          "properties": {
            "type": { "const": "portmap" },
            "backend": { "enum": ["", "nftables"] },
            "snat": { "type": "boolean", "default": true, "description": "masquerade clients of the container's network and of localhost" },
            "masqAll": { "type": "boolean", "default": false, "description": "masquerade all clients" },
            "conditionsV4": { "type": "array", "maxItems": 0 },
            "conditionsV6": { "type": "array", "maxItems": 0 },
            "markMasqBit": { "type": "integer", "minimum": 0, "maximum": 31 },
            "externalSetMarkChain": { "const": "" },
            "runtimeConfig": {
              "type": "object",
              "properties": {
                "portMappings": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["hostPort", "containerPort"],
                    "properties": {
                      "hostPort": { "type": "integer", "minimum": 1, "maximum": 65535 },
                      "containerPort": { "type": "integer", "minimum": 1, "maximum": 65535 },
                      "protocol": { "enum": ["tcp", "udp", "sctp"], "default": "tcp" },
                      "hostIP": { "type": "string" }
                    }
                  }
                }
              }
            }
          }
        }
        """
}
