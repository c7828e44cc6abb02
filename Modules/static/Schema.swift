extension Static {
    /// JSON Schema (2020-12) of the configuration: the delegating plugin's, as far as this module reads it.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "static",
          "type": "object",
          "required": ["ipam"],
          "properties": {
            "ipam": {
              "type": "object",
              "required": ["type"],
              "properties": {
                "type": { "const": "static" },
                "addresses": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["address"],
                    "properties": { "address": { "$ref": "#/$defs/cidr" }, "gateway": { "$ref": "#/$defs/ip" } }
                  }
                },
                "routes": { "type": "array", "items": { "$ref": "#/$defs/route" } },
                "dns": {
                  "type": "object",
                  "properties": {
                    "nameservers": { "$ref": "#/$defs/strings" },
                    "domain": { "type": "string" },
                    "search": { "$ref": "#/$defs/strings" },
                    "options": { "$ref": "#/$defs/strings" }
                  }
                }
              }
            },
            "runtimeConfig": { "type": "object", "properties": { "ips": { "$ref": "#/$defs/cidrs" } } },
            "args": {
              "type": "object",
              "properties": { "cni": { "type": "object", "properties": { "ips": { "$ref": "#/$defs/cidrs" } } } }
            }
          },
          "$defs": {
            "ip": { "type": "string", "examples": ["10.1.0.1", "fd00::1"] },
            "cidr": { "type": "string", "pattern": "^[0-9A-Fa-f:.]+/[0-9]+$", "examples": ["10.1.0.5/24", "fd00::5/64"] },
            "cidrs": { "type": "array", "items": { "$ref": "#/$defs/cidr" } },
            "strings": { "type": "array", "items": { "type": "string" } },
            "route": {
              "type": "object",
              "required": ["dst"],
              "properties": {
                "dst": { "$ref": "#/$defs/cidr" },
                "gw": { "$ref": "#/$defs/ip" },
                "mtu": { "type": "integer", "minimum": 0 },
                "advmss": { "type": "integer", "minimum": 0 },
                "priority": { "type": "integer", "minimum": 0 },
                "table": { "type": "integer", "minimum": 0 },
                "scope": { "type": "integer", "minimum": 0, "maximum": 255 }
              }
            }
          }
        }
        """
}
